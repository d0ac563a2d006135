import { createHash } from 'node:crypto';
import { createClient } from '@redis/client';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { Redis } from '../backends/redis.ts';
import { uniqueName } from '../backends/unique-name.ts';
import type { RotationSetup } from '../rotation/target-fixture.ts';
import { CARRIED, type RotationNames } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

interface Server {
  readonly redis: Redis;
  /** A file with the administrator's password. */
  readonly passwordFile: string;
}

/** A user that may read its own keys. */
export function redisUser(
  { redis, passwordFile }: Server,
  names: RotationNames = {},
): RotationSetup {
  const username = names.username ?? uniqueName('app');
  const password = names.password ?? 'first-password-of-this-user';
  const bystander = uniqueName('bystander');
  const rights = ['~app:*', '+get', '+ping'];
  return {
    connection: {
      type: 'redis',
      host: redis.host,
      port: redis.tlsPort,
      username: redis.username,
      passwordFile,
      tls: { caFile: redis.caFile },
      locators: ['users/*'],
      limits: PATIENT,
    },
    strategy: 'acl-user',
    options: { username, allowed: [['GET', 'app:1']] },
    async make() {
      await asAdmin(redis, [
        ['ACL', 'SETUSER', username, 'reset', 'on', `#${sha256(password)}`, ...rights],
        ['ACL', 'SETUSER', bystander, 'on', '>of-another-user', '~*', '+get'],
      ]);
      return {
        current: { ...CARRIED, username, password },
        logsIn: (data) => logsIn(redis, data),
        state: async () => JSON.stringify(await asAdmin(redis, [['ACL', 'GETUSER', username]])),
        bystanders: async () =>
          JSON.stringify(await asAdmin(redis, [['ACL', 'GETUSER', bystander]])),
        close: async () => {
          await asAdmin(redis, [['ACL', 'DELUSER', username, bystander]]);
        },
      };
    },
  };
}

export function textOf(data: SecretData, key: string): string {
  const value = data[key];
  if (typeof value !== 'string') throw new Error(`no text under ${key}`);
  return value;
}

function client(redis: Redis, username: string, password: string) {
  const socket = { host: redis.host, port: redis.port, reconnectStrategy: false } as const;
  return createClient({ username, password, socket, RESP: 2 }).on('error', () => undefined);
}

export async function connected(redis: Redis, data: SecretData) {
  const opened = client(redis, textOf(data, 'username'), textOf(data, 'password'));
  await opened.connect();
  return opened;
}

export async function asAdmin(redis: Redis, commands: readonly string[][]): Promise<unknown[]> {
  const admin = client(redis, redis.username, redis.password);
  await admin.connect();
  try {
    const answers: unknown[] = [];
    for (const command of commands) answers.push(await admin.sendCommand(command));
    return answers;
  } finally {
    admin.destroy();
  }
}

async function logsIn(redis: Redis, data: SecretData): Promise<boolean> {
  try {
    (await connected(redis, data)).destroy();
    return true;
  } catch {
    return false;
  }
}
