import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationConnection, RotationTarget } from '../../src/ports/rotation-target.ts';
import type { ProviderConnection } from '../../src/ports/secret-provider.ts';
import { awsSecretsManagerConnectionSchema } from '../../src/providers/aws/config.ts';
import { openAwsSecretsManager } from '../../src/providers/aws/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Moto } from '../kit/backends/moto.ts';
import { OwnSecret } from '../kit/aws/self-rotating-secret.ts';
import { rotationTargetContract, turnOf } from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

interface Started {
  readonly secret: OwnSecret;
  readonly connection: ProviderConnection;
  readonly rotation: RotationConnection;
  readonly target: RotationTarget;
  readonly restart: () => Promise<RotationTarget>;
  readonly close: () => Promise<void>;
}

type Opened = Awaited<ReturnType<typeof openAwsSecretsManager>>;

async function start(moto: Moto): Promise<Started> {
  const secret = await OwnSecret.create(moto);
  const opened: Opened[] = [];
  const open = async (): Promise<Opened> => {
    const config = awsSecretsManagerConnectionSchema.parse(secret.connection);
    const backend = await openAwsSecretsManager('aws', config, {
      clock: systemClock,
      connection: 'backend',
    });
    opened.push(backend);
    return backend;
  };
  const { provider: connection, rotation } = await open();
  const options = { name: secret.name };
  return {
    secret,
    connection,
    rotation,
    target: rotation.target('own-rotation', options),
    restart: async () => (await open()).rotation.target('own-rotation', options),
    async close() {
      for (const each of opened) await each.close();
      await secret.close();
    },
  };
}

/** AWS and its function continue while the broker waits in `set`. */
function goingOn(target: RotationTarget, secret: OwnSecret): RotationTarget {
  const { locators, slots, drillable } = target;
  return {
    locators,
    slots,
    drillable,
    create: (turn) => target.create(turn),
    async set(turn, pending) {
      if (!turn.context.signal.aborted) await secret.goOn();
      await target.set(turn, pending);
    },
    test: (data, context) => target.test(data, context),
    retire: (turn, previous) => target.retire(turn, previous),
    discard: (turn, pending) => target.discard(turn, pending),
  };
}

describeWith(['moto'], "AWS's own rotation", ({ moto }) => {
  rotationTargetContract(
    'a secret that AWS rotates by its own function',
    async () => {
      const { secret, target, restart, close } = await start(moto);
      secret.makesAtOnce = true;
      return {
        current: secret.first,
        target: goingOn(target, secret),
        restart: async () => goingOn(await restart(), secret),
        logsIn: (data) => Promise.resolve(secret.accepts(data)),
        state: () => secret.stages(),
        bystanders: () => Promise.resolve(''),
        close,
      };
    },
    {
      slots: 'one',
      drillable: false,
      madeByTarget: true,
      oneWay: 'set',
      follows: true,
      textOnly: true,
      hostless: true,
      unnamed: true,
    },
  );

  let started: Started;
  let secret: OwnSecret;
  let target: RotationTarget;
  let old: SecretData;
  beforeEach(async () => {
    started = await start(moto);
    ({ secret, target } = started);
    old = secret.first;
  });
  afterEach(() => started.close());

  it('is started once, and followed until the new version is current', async () => {
    const turn = turnOf(old);
    expect(target.locators).toEqual([secret.name]);
    expect(await failureOf(target.create(turn))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'not_yet',
      retryAfterSeconds: 10,
    });
    await secret.createSecret();
    const pending = await target.create(turn);
    expect(pending).toEqual(secret.made);
    expect(secret.asked).toEqual(['RotateSecret']);
    expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'not_yet' });
    expect(await target.test(pending, contextOf())).toEqual({
      accepted: false,
      reason: 'not_current',
    });
    await secret.finishSecret();
    await target.set(turn, pending);
    await target.set(turn, pending);
    expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
    const provider = started.connection.mount({});
    const published = await provider.publishing!.publish(
      secret.name,
      pending,
      'rot_1',
      contextOf(),
    );
    expect(published.version).toBe(secret.token);
    await target.retire(turnOf(pending), old);
    expect(await failureOf(target.retire(turnOf(pending), pending))).toMatchObject({
      reason: 'still_current',
    });
    expect(await secret.current()).toEqual(secret.made);
  });

  it('is not waited for longer than a day', async () => {
    const turn = turnOf(old);
    await failureOf(target.create(turn));
    const late = { ...turn, startedAt: turn.startedAt - 86_400_000 };
    expect(await failureOf(target.create(late))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'hangs_at_aws',
    });
    await secret.createSecret();
    const pending = await target.create(late);
    expect(await failureOf(target.set(late, pending))).toMatchObject({ reason: 'hangs_at_aws' });
    await secret.finishSecret();
    await target.set(late, pending);
  });

  it('is cancelled while it is in progress, so that the next one can begin', async () => {
    const turn = turnOf(old);
    await failureOf(target.create(turn));
    await secret.createSecret();
    const pending = await target.create(turn);
    const lost = turnOf(old, { lost: true, rotationId: turn.rotationId });
    expect(await failureOf(target.discard(lost, pending))).toMatchObject({ reason: 'claim_lost' });
    const other = turnOf(old);
    expect(await failureOf(target.create(other))).toMatchObject({ reason: 'rotation_under_way' });
    await target.discard(turn, pending);
    await target.discard(turn, pending);
    expect(secret.asked).toEqual(['RotateSecret', 'CancelRotateSecret']);
    expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'ended_at_aws' });
    expect(await secret.current()).toEqual(old);
    expect(await failureOf(target.create(other))).toMatchObject({ reason: 'not_yet' });
    expect(secret.asked).toHaveLength(3);
  });

  it('cannot be rolled back once the new version is current', async () => {
    const turn = turnOf(old);
    await failureOf(target.create(turn));
    await secret.createSecret();
    await secret.finishSecret();
    const pending = await target.create(turn);
    expect(await failureOf(target.discard(turn, pending))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'no_way_back',
    });
    expect(await secret.current()).toEqual(secret.made);
  });

  it('is not started if the claim is lost, or for an absent secret', async () => {
    const lost = turnOf(old, { lost: true });
    expect(await failureOf(target.create(lost))).toMatchObject({ reason: 'claim_lost' });
    expect(secret.asked).toEqual([]);
    expect(() => started.rotation.target('single-user', { name: 'a' })).toThrow('not valid');
    for (const wrong of ['', '/a', 'a//b', 'a/', 'a?b', 'a#b']) {
      expect(() => started.rotation.target('own-rotation', { name: wrong })).toThrow('not valid');
    }
  });
});
