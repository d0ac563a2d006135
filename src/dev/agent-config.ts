import type { DevFiles } from './dev-config.ts';

/** The configuration of the demonstration pod's agent: docs/agent.md. */
export function devAgentConfig(url: string, files: DevFiles): string {
  return `broker: { url: '${url}' }
cluster: dev
tokenFile: ${files.podToken}
directory: ${files.secrets}
secrets:
  - { path: demo/shop/db, file: db.env, format: dotenv }
  - { path: demo/shop/api, file: api, format: files }
`;
}
