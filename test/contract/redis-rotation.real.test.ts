import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { RotationConnection } from '../../src/ports/rotation-target.ts';
import { openRedis } from '../../src/providers/redis/open.ts';
import { redisConnectionSchema } from '../../src/providers/redis/config.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { asAdmin, connected, redisUser, sha256, textOf } from '../kit/databases/redis-user.ts';
import { fixtureAt, privateFile, type RotationSetup } from '../kit/rotation/target-fixture.ts';
import {
  HOSTILE_NAMES,
  rotationTargetContract,
  turnOf,
  wholeText,
  type RotationFixture,
  type RotationNames,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

describeWith(['redis'], 'rotation on Redis', ({ redis }) => {
  let file: Awaited<ReturnType<typeof privateFile>>;
  beforeAll(async () => {
    file = await privateFile(redis.password);
  });
  afterAll(() => file.remove());

  const connect = (
    { connection }: RotationSetup,
    changes: object = {},
  ): Promise<RotationConnection> => {
    const config = redisConnectionSchema.parse({ ...connection, ...changes });
    return Promise.resolve(
      openRedis('cache', config, { clock: systemClock, connection: 'backend' }).rotation,
    );
  };
  const place = (names?: RotationNames) => redisUser({ redis, passwordFile: file.path }, names);
  const make = (names?: RotationNames): Promise<RotationFixture> => {
    const named = place(names);
    return fixtureAt(named, () => connect(named));
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

    it('fails the test when it lacks its required rights', async () => {
      const fixture = await make();
      const { current } = fixture;
      const options = { username: current['username'], allowed: [['SET', 'app:1', 'x']] };
      const target = (await connect(place())).target('acl-user', options);
      const verdict = await target.test(current, contextOf());
      expect(verdict).toEqual({ accepted: false, reason: 'commands_missing' });
      await fixture.close();
    });

    it('is not changed if it does not exist, is off or needs no password', async () => {
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

    it('keeps the old password when the new one is not stored to replace it', async () => {
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
      const target = (await connect(place(), { tls })).target('acl-user', {
        username: current['username'],
      });
      const error = await failureOf(target.test(current, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
      expect(wholeText(error)).not.toContain(current['password']);
      await fixture.close();
    });

    it('has only its own strategy', async () => {
      const connection = await connect(place());
      expect(() => connection.target('single-user', {})).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    });
  });
});
