import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { systemClock } from '../../../src/process/clock.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { openRedis } from '../../../src/providers/redis/open.ts';
import { redisConnectionSchema } from '../../../src/providers/redis/config.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { startRedis, type Redis } from '../../kit/backends/redis.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import { until } from '../../kit/backends/until.ts';
import { asAdmin, sha256 } from '../../kit/databases/redis-user.ts';
import { turnOf } from '../../contract/rotation-target.contract.ts';
import { failureOf } from '../../contract/secret-provider.contract.ts';
import { PATIENT } from '../../kit/providers/longest-timeout.ts';

const ENDLESS = 'while true do end';

// A server of its own: its scripts block all clients.
describeWith(['redis'], 'a rotation that its holder resists on Redis', () => {
  let redis: Running<Redis>;
  let directory: string;
  beforeAll(async () => {
    redis = await startRedis();
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-redis-'));
    await writeFile(join(directory, 'password'), redis.password, { mode: 0o600 });
    await asAdmin(redis, [['CONFIG', 'SET', 'busy-reply-threshold', '100']]);
  });
  afterAll(async () => {
    await redis.stop();
    await rm(directory, { recursive: true });
  });

  const begin = async () => {
    const [username, password] = [uniqueName('app'), 'first-password-of-this-user'];
    const rights = ['~*', '&*', '+@all', '-@admin', '-@dangerous', '+script', '+function'];
    await asAdmin(redis, [['ACL', 'SETUSER', username, 'on', `#${sha256(password)}`, ...rights]]);
    const config = redisConnectionSchema.parse({
      type: 'redis',
      allowCleartextPassword: true,
      host: redis.host,
      port: redis.port,
      username: redis.username,
      passwordFile: join(directory, 'password'),
      locators: ['users/*'],
      limits: PATIENT,
    });
    const target = openRedis('cache', config, {
      clock: systemClock,
      connection: 'backend',
    }).rotation.target('acl-user', {
      username,
    });
    const current: SecretData = { username, password };
    const pending = await target.create(turnOf(current));
    return { username, current, pending, target };
  };
  const open = async ({ username, password }: SecretData) => {
    const client = createClient({
      username: username as string,
      password: password as string,
      socket: { host: redis.host, port: redis.port, reconnectStrategy: false },
      RESP: 2,
    }).on('error', () => undefined);
    await client.connect();
    return client;
  };
  const logsIn = async (data: SecretData): Promise<boolean> =>
    open(data).then(
      (client) => {
        client.destroy();
        return true;
      },
      () => false,
    );
  const connectionsOf = async (username: string): Promise<number> => {
    const answer = String(await asAdmin(redis, [['CLIENT', 'LIST']]));
    return answer.split(`user=${username} `).length - 1;
  };
  const untilBusy = () =>
    until('the server is busy', async () =>
      asAdmin(redis, [['PING']]).then(
        () => false,
        (error: unknown) => String(error).includes('BUSY'),
      ),
    );

  it.each(['set', 'retire'] as const)(
    'kills a script of the holder that blocks all clients: %s (HT06)',
    async (step) => {
      const { current, pending, target, username } = await begin();
      if (step === 'retire') await target.set(turnOf(current), pending);
      const holder = await open(current);
      const script = holder.sendCommand(['EVAL', ENDLESS, '0']).catch(() => 'killed');
      await untilBusy();
      if (step === 'set') await target.set(turnOf(current), pending);
      else await target.retire(turnOf(pending), current);
      expect(await script).toBe('killed');
      expect(await logsIn(pending)).toBe(true);
      expect(await logsIn(current)).toBe(step === 'set');
      if (step === 'retire') expect(await connectionsOf(username)).toBe(0);
      holder.destroy();
    },
  );

  it('kills an endless function of the holder (HT06)', async () => {
    const { current, pending, target, username } = await begin();
    await target.set(turnOf(current), pending);
    const holder = await open(current);
    const name = `f${username.replaceAll('-', '')}`;
    const library = `#!lua name=${name}\nredis.register_function('${name}', function() ${ENDLESS} end)`;
    await holder.sendCommand(['FUNCTION', 'LOAD', library]);
    const running = holder.sendCommand(['FCALL', name, '0']).catch(() => 'killed');
    await untilBusy();
    await target.retire(turnOf(pending), current);
    expect(await running).toBe('killed');
    expect(await connectionsOf(username)).toBe(0);
    holder.destroy();
  });

  it('closes connections that are blocked, subscribed, or inside a transaction (HT06)', async () => {
    const { current, pending, target, username } = await begin();
    await target.set(turnOf(current), pending);
    const clients = await Promise.all(Array.from({ length: 3 }, () => open(current)));
    const [blocked, subscribed, inTransaction] = clients;
    const waiting = blocked?.sendCommand(['BLPOP', 'nothing', '0']).catch(() => 'ended');
    await subscribed?.subscribe('news', () => undefined);
    await inTransaction?.sendCommand(['MULTI']);
    expect(await connectionsOf(username)).toBe(3);
    await target.retire(turnOf(pending), current);
    expect(await waiting).toBe('ended');
    expect(await connectionsOf(username)).toBe(0);
    expect(await logsIn(current)).toBe(false);
    for (const client of clients) client.destroy();
  });

  it('closes connections even if the ACL file cannot be written (HT06)', async () => {
    const { current, pending, target, username } = await begin();
    await target.set(turnOf(current), pending);
    const holder = await open(current);
    await rm(redis.aclFile);
    await mkdir(redis.aclFile);
    expect((await failureOf(target.retire(turnOf(pending), current))).reason).toBe('acl_not_saved');
    expect(await connectionsOf(username)).toBe(0);
    expect(await logsIn(current)).toBe(false);
    holder.destroy();
    await rm(redis.aclFile, { recursive: true });
  });
});
