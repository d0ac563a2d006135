import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { systemClock } from '../../src/clock.ts';
import type { SecretData } from '../../src/domain/secret.ts';
import type { RotationConnection } from '../../src/ports/rotation-target.ts';
import { connectRedisRotation } from '../../src/rotation/redis/connection.ts';
import { redisConnectionSchema } from '../../src/upstream/redis/config.ts';
import { connectRedis } from '../../src/upstream/redis/redis-server.ts';
import { describeWith } from '../backends/backends.ts';
import type { Redis } from '../backends/redis.ts';
import { uniqueName } from '../backends/unique-name.ts';
import {
  CARRIED,
  HOSTILE_NAMES,
  rotationTargetContract,
  turnOf,
  wholeText,
  type RotationFixture,
  type RotationNames,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describeWith(['redis'], 'rotation on Redis', ({ redis }) => {
  let directory: string;
  let passwordFile: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-redis-rotation-'));
    passwordFile = join(directory, 'password');
    await writeFile(passwordFile, redis.password, { mode: 0o600 });
  });
  afterAll(() => rm(directory, { recursive: true }));

  const connect = async (changes: object = {}): Promise<RotationConnection> => {
    const config = redisConnectionSchema.parse({
      type: 'redis',
      host: redis.host,
      port: redis.tlsPort,
      username: redis.username,
      passwordFile,
      tls: { caFile: redis.caFile },
      locators: ['users/*'],
      ...changes,
    });
    return connectRedisRotation('cache', await connectRedis(config, systemClock));
  };

  const make = async (names: RotationNames = {}): Promise<RotationFixture> => {
    const username = names.username ?? uniqueName('app');
    const password = names.password ?? 'first-password-of-this-user';
    const options = { username, allowed: [['GET', 'app:1']] };
    const target = (await connect()).target('acl-user', options);
    const bystander = uniqueName('bystander');
    await asAdmin(redis, [
      [
        'ACL',
        'SETUSER',
        username,
        'reset',
        'on',
        `#${sha256(password)}`,
        '~app:*',
        '+get',
        '+ping',
      ],
      ['ACL', 'SETUSER', bystander, 'on', '>of-somebody-else', '~*', '+get'],
    ]);
    return {
      target,
      current: { ...CARRIED, username, password },
      restart: async () => (await connect()).target('acl-user', options),
      logsIn: (data) => logsIn(redis, data),
      state: async () => JSON.stringify(await asAdmin(redis, [['ACL', 'GETUSER', username]])),
      bystanders: async () => JSON.stringify(await asAdmin(redis, [['ACL', 'GETUSER', bystander]])),
      close: async () => {
        await asAdmin(redis, [['ACL', 'DELUSER', username, bystander]]);
      },
    };
  };

  rotationTargetContract('a Redis user', make, {
    slots: 'two',
    drillable: true,
    impossibleNames: HOSTILE_NAMES.filter((name) => /\s/.test(name)),
  });

  describe('a Redis user', () => {
    it('has its new password written to the ACL file as a hash, and nowhere in the clear', async () => {
      const fixture = await make();
      const { target, current } = fixture;
      const turn = turnOf(current);
      const pending = await target.create(turn);
      await target.set(turn, pending);
      const file = await readFile(redis.aclFile, 'utf8');
      expect(file).toContain(sha256(textOf(pending, 'password')));
      expect(file).not.toContain(pending['password']);
      await fixture.close();
    });

    it('loses its open connections when the old password is retired, and not in a drill', async () => {
      const fixture = await make();
      const { target, current } = fixture;
      const turn = turnOf(current);
      const pending = await target.create(turn);
      const client = await connected(redis, current);
      await target.set(turn, pending);
      await target.discard(turn, pending);
      expect(await client.sendCommand(['PING'])).toBe('PONG');
      await target.set(turn, pending);
      await target.retire(turnOf(pending), current);
      await expect(client.sendCommand(['PING'])).rejects.toThrow();
      client.destroy();
      await fixture.close();
    });

    it('is refused by the test when it may not do what it is for', async () => {
      const fixture = await make();
      const { current } = fixture;
      const options = { username: current['username'], allowed: [['SET', 'app:1', 'x']] };
      const target = (await connect()).target('acl-user', options);
      const verdict = await target.test(current, contextOf());
      expect(verdict).toEqual({ accepted: false, reason: 'commands_missing' });
      await fixture.close();
    });

    it('is not changed where it does not exist, is off or needs no password', async () => {
      const fixture = await make();
      const { target, current } = fixture;
      const turn = turnOf(current);
      const pending = await target.create(turn);
      const username = textOf(current, 'username');
      for (const [rule, reason] of [
        ['nopass', 'user_without_password'],
        ['off', 'user_off'],
      ] as const) {
        await asAdmin(redis, [['ACL', 'SETUSER', username, rule]]);
        const error = await failureOf(target.set(turn, pending));
        expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason });
        await asAdmin(redis, [
          ['ACL', 'SETUSER', username, 'on', `>${textOf(current, 'password')}`],
        ]);
      }
      await asAdmin(redis, [['ACL', 'DELUSER', username]]);
      const error = await failureOf(target.set(turn, pending));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'user_missing' });
      await fixture.close();
    });

    it('keeps the old password when the new one is not there to replace it', async () => {
      const fixture = await make();
      const pending = await fixture.target.create(turnOf(fixture.current));
      const error = await failureOf(fixture.target.retire(turnOf(pending), fixture.current));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'current_missing' });
      expect(await fixture.logsIn(fixture.current)).toBe(true);
      await fixture.close();
    });

    it('is not reached over TLS by a name that its certificate does not have', async () => {
      const fixture = await make();
      const { current } = fixture;
      const tls = { caFile: redis.caFile, serverName: 'elsewhere.example' };
      const target = (await connect({ tls })).target('acl-user', { username: current['username'] });
      const error = await failureOf(target.test(current, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
      expect(wholeText(error)).not.toContain(current['password']);
      await fixture.close();
    });

    it('has no strategy but its own', async () => {
      const connection = await connect();
      expect(() => connection.target('single-user', {})).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    });
  });
});

function textOf(data: SecretData, key: string): string {
  const value = data[key];
  if (typeof value !== 'string') throw new Error(`no text under ${key}`);
  return value;
}

function client(redis: Redis, username: string, password: string) {
  const socket = { host: redis.host, port: redis.port, reconnectStrategy: false } as const;
  return createClient({ username, password, socket, RESP: 2 }).on('error', () => undefined);
}

async function connected(redis: Redis, data: SecretData) {
  const opened = client(redis, textOf(data, 'username'), textOf(data, 'password'));
  await opened.connect();
  return opened;
}

async function asAdmin(redis: Redis, commands: readonly string[][]): Promise<unknown[]> {
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
