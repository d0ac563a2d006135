import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationTarget } from '../../src/ports/rotation-target.ts';
import { vaultAt } from '../../src/providers/vault/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import type { Moto } from '../kit/backends/moto.ts';
import { openBaoRequest } from '../kit/backends/openbao-calls.ts';
import { until } from '../kit/backends/until.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import {
  realAwsRole,
  scriptedAwsRole,
  type AwsRole,
  type RealAwsRole,
} from '../kit/rotation/vault-aws-role.ts';
import { strictMoto } from '../kit/aws/iam-user.ts';
import { fixtureAt, type RotationSetup } from '../kit/rotation/target-fixture.ts';
import {
  rotationTargetContract,
  turnOf,
  type RotationFixture,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

/** Twice the shortest period that Vault accepts, and more than the minute between its checks. */
const PERIOD_MS = 150_000;

type AwsRoleFixture = AwsRole & RotationFixture;

async function fixtureOf(place: RotationSetup<AwsRole>, token: string): Promise<AwsRoleFixture> {
  const connections = await VaultConnections.create();
  const fixture = await fixtureAt(place, async ({ address }) => {
    const { client } = await connections.connect(String(address), token);
    return vaultAt('vault', client, systemClock).rotation;
  });
  const close = async (): Promise<void> => {
    await connections.close();
    await fixture.close();
  };
  return { ...fixture, close };
}

/** Vault's own time comes before the broker polls. */
function whenDue(target: RotationTarget, role: AwsRole): RotationTarget {
  const { locators, slots, drillable } = target;
  return {
    locators,
    slots,
    drillable,
    async create(turn) {
      await role.makeNext(turn.current);
      return target.create(turn);
    },
    set: (turn, pending) => target.set(turn, pending),
    test: (data, context) => target.test(data, context),
    retire: (turn, previous) => target.retire(turn, previous),
    discard: (turn, pending) => target.discard(turn, pending),
  };
}

function goingOn(fixture: AwsRoleFixture): AwsRoleFixture {
  return {
    ...fixture,
    target: whenDue(fixture.target, fixture),
    restart: async () => whenDue(await fixture.restart(), fixture),
  };
}

const TRAITS = {
  slots: 'one',
  drillable: false,
  madeByTarget: true,
  oneWay: 'create',
  follows: true,
  hostless: true,
  unnamed: true,
} as const;

describeWith(['openbao', 'moto'], 'static roles of an AWS engine', ({ openbao }) => {
  let moto: Running<Moto>;
  let slow: RealAwsRole;
  let untouched: AwsRoleFixture;
  beforeAll(async () => {
    moto = await strictMoto();
    slow = await realAwsRole(openbao, moto);
    untouched = await fixtureOf(slow, slow.token);
  });
  afterAll(async () => {
    await untouched.close();
    await moto.stop();
  });

  rotationTargetContract(
    "a role of Vault's own engine, created again",
    async () => {
      const place = await realAwsRole(openbao, moto);
      return goingOn(await fixtureOf(place, place.token));
    },
    TRAITS,
  );

  rotationTargetContract(
    'a role with an expired period',
    async () => goingOn(await fixtureOf(await scriptedAwsRole(moto), 's.broker')),
    { ...TRAITS, outlives: true },
  );

  describe("Vault's own engine", () => {
    const asRoot = (verb: 'GET' | 'POST', path: string) =>
      openBaoRequest(openbao, verb, `${slow.engine}/${path}`, verb === 'GET' ? undefined : {});

    it('answers like the scripted one', async () => {
      const real = await asRoot('GET', 'static-creds/app');
      const scripted = await scriptedAwsRole(moto);
      const made = await scripted.make();
      const bao = { address: String(scripted.connection['address']), rootToken: 's.broker' };
      const told = await openBaoRequest(bao, 'GET', 'aws/static-creds/app');
      const shape = ({ status, body }: typeof real) => [
        status,
        Object.keys((body as { data: object }).data).sort(),
      ];
      expect(shape(told)).toEqual(shape(real));
      const absent = await openBaoRequest(bao, 'GET', 'aws/static-creds/none');
      expect(absent).toEqual(await asRoot('GET', 'static-creds/none'));
      await made.close();
    });

    it('has no operation that requests the next key', async () => {
      for (const path of ['rotate-role/app', 'static-roles/app/rotate']) {
        expect((await asRoot('POST', path)).status).toBe(404);
      }
    });

    it(
      'is followed when its period is over: the previous key still works, the one before that is deleted',
      async () => {
        const { target, current } = untouched;
        const keys = async (): Promise<string[]> =>
          (JSON.parse(await untouched.state()) as [string][]).map(([id]) => id);
        let pending: SecretData | undefined;
        await until(
          'Vault has made another key',
          async () => {
            pending = await target.create(turnOf(current)).catch(() => undefined);
            return pending !== undefined;
          },
          PERIOD_MS,
        );
        const made = pending!;
        expect(await keys()).toEqual([current['accessKeyId'], made['accessKeyId']]);
        await target.set(turnOf(current), made);
        expect(await target.test(made, contextOf())).toEqual({ accepted: true });
        await target.retire(turnOf(made), current);
        expect(await untouched.logsIn(current)).toBe(true);
        expect(await untouched.logsIn(made)).toBe(true);
        expect(await failureOf(target.create(turnOf(made)))).toMatchObject({
          code: 'ERR_PROVIDER_UNAVAILABLE',
          reason: 'not_yet',
        });
      },
      PERIOD_MS + 30_000,
    );
  });
});
