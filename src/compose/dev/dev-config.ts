import { join } from 'node:path';
import { checkConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';

/** Where development mode keeps what. Keys lie beside the store's directory, never in it, as in production. */
export interface DevFiles {
  readonly directory: string;
  readonly store: string;
  readonly kek: string;
  readonly logKey: string;
  readonly checkpoint: string;
  readonly operatorToken: string;
  /** The demonstration pod's, as the kubelet would project it. */
  readonly podToken: string;
  readonly agentConfig: string;
  /** What the agent writes into. */
  readonly secrets: string;
}

export function devFiles(directory: string): DevFiles {
  return {
    directory,
    store: join(directory, 'store', 'quaymaster.db'),
    kek: join(directory, 'keys', 'kek'),
    logKey: join(directory, 'keys', 'log.pem'),
    checkpoint: join(directory, 'keys', 'checkpoint'),
    operatorToken: join(directory, 'operator.token'),
    podToken: join(directory, 'pod.token'),
    agentConfig: join(directory, 'agent.yaml'),
    secrets: join(directory, 'secrets'),
  };
}

/** Embedded defaults, on loopback and nowhere else. */
export function devConfig(files: DevFiles, keySetFile: string, port: number): Config {
  const document = {
    mode: 'development',
    listener: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: files.store },
    kek: { type: 'local-file', path: files.kek },
    audit: {
      origin: 'quaymaster.invalid/dev',
      logKeyFile: files.logKey,
      checkpointFile: files.checkpoint,
    },
    connections: { 'dev-issuer': { type: 'jwks', file: keySetFile } },
    log: { level: 'warn' },
  };
  return checkConfig(document, 'development mode');
}
