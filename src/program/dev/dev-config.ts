import { join } from 'node:path';
import { isConsoleBuilt } from '../serving/console.ts';
import { ALERT_FORMATS } from '../../domain/alerts/alert.ts';
import { checkConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';

/** The files of development mode. As in production, keys are outside the directory of the store. */
export interface DevFiles {
  readonly directory: string;
  readonly store: string;
  readonly kek: string;
  readonly logKey: string;
  readonly checkpoint: string;
  /** Every entry of the audit log, for `tail -f`. */
  readonly auditLog: string;
  /** Authorities of another mesh, which expire soon. */
  readonly partnerBundle: string;
  readonly operatorToken: string;
  /** Token of the demonstration pod, as the kubelet would project it. */
  readonly podToken: string;
  /** Secret of all sources of alerts. */
  readonly alertSecret: string;
  readonly agentConfig: string;
  /** Directory that the agent writes to. */
  readonly secrets: string;
}

export function devFiles(directory: string): DevFiles {
  return {
    directory,
    store: join(directory, 'store', 'quaymaster.db'),
    kek: join(directory, 'keys', 'kek'),
    logKey: join(directory, 'keys', 'log.pem'),
    checkpoint: join(directory, 'keys', 'checkpoint'),
    auditLog: join(directory, 'audit.log'),
    partnerBundle: join(directory, 'partner.pem'),
    operatorToken: join(directory, 'operator.token'),
    podToken: join(directory, 'pod.token'),
    alertSecret: join(directory, 'alerts.secret'),
    agentConfig: join(directory, 'agent.yaml'),
    secrets: join(directory, 'secrets'),
  };
}

/** Embedded store and keys, with a listener on loopback only. */
export function devConfig(files: DevFiles, keySetFile: string, port: number): Config {
  const document = {
    mode: 'development',
    listener: { host: '127.0.0.1', port },
    vaultApi: {
      listener: { host: '127.0.0.1', port: port === 0 ? 0 : port + 1 },
      mounts: { secret: { engine: 'kv-v2', prefix: 'demo' } },
      auth: { kubernetes: { cluster: 'dev' } },
    },
    // A program from source that was not built serves none.
    console: { enabled: isConsoleBuilt() },
    store: { type: 'sqlite', path: files.store },
    kek: { type: 'local-file', path: files.kek },
    audit: {
      origin: 'quaymaster.invalid/dev',
      logKeyFile: files.logKey,
      checkpointFile: files.checkpoint,
      sinks: [{ type: 'file', path: files.auditLog }],
    },
    connections: {
      'dev-issuer': { type: 'jwks', file: keySetFile },
      'partner-mesh': {
        type: 'spiffe',
        trustDomain: 'partner.example',
        bundleFile: files.partnerBundle,
      },
    },
    alerts: {
      // A source of each format, with the name of the format.
      sources: Object.fromEntries(
        ALERT_FORMATS.map((format) => {
          const authenticate = { bearer: { secretFile: files.alertSecret } };
          return [format, { format, cluster: 'dev', authenticate }];
        }),
      ),
    },
    log: { level: 'warn' },
  };
  return checkConfig(document, 'development mode');
}
