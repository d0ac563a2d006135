import { systemClock } from '../../../src/process/clock.ts';
import { OpenedConnections } from '../../../src/program/connections/connections.ts';
import { configSchema, type Config } from '../../../src/program/config/schema.ts';
import { privateFile } from '../rotation/target-fixture.ts';

export type EveryConnection = Pick<OpenedConnections, 'providers' | 'targets' | 'close'>;

/** The configuration of connections of every kind, whose passwords and tokens are in one file. Nothing answers at their addresses. */
export function connectionsOfEveryKind(file: string): Record<string, object> {
  const server = { host: '127.0.0.1', username: 'broker', passwordFile: file, tls: 'off' };
  const shared = { locators: ['**'], prefixes: ['**'] };
  return {
    vault: {
      type: 'vault',
      address: 'http://127.0.0.1:1',
      prefixes: ['**'],
      locators: ['kv1/**', 'secret/data/**', 'db/**', 'database/**', 'aws/**'],
      auth: { method: 'token', tokenFile: file },
    },
    aws: { type: 'aws-secrets-manager', region: 'eu-central-1', ...shared },
    iam: { type: 'aws-iam', region: 'eu-central-1', ...shared },
    kube: { type: 'kubernetes', server: 'https://127.0.0.1:1', tokenFile: file, ...shared },
    pg: { type: 'postgres', ...server, ...shared },
    my: { type: 'mysql', ...server, ...shared },
    red: { type: 'redis', ...server, ...shared, allowCleartextPassword: true },
    'pg-a': { type: 'postgres', ...server, ...shared, prefixes: ['kv/team-a/**'] },
  };
}

/** Connections of every kind; saving a document sends nothing to them. `locators` restricts some of them, by name. */
export async function everyConnection(
  locators: Readonly<Record<string, readonly string[]>> = {},
): Promise<EveryConnection> {
  const file = await privateFile('not-a-secret');
  const given = connectionsOfEveryKind(file.path);
  for (const [name, own] of Object.entries(locators))
    given[name] = { ...given[name], locators: own };
  const connections = configSchema.shape.connections.parse(given);
  const kubernetes = { forbiddenNamespaces: [] as string[] };
  const opened = await OpenedConnections.open({ connections, kubernetes } as Config, {
    clock: systemClock,
  });
  return {
    providers: opened.providers,
    targets: opened.targets,
    close: async () => {
      await opened.close();
      await file.remove();
    },
  };
}
