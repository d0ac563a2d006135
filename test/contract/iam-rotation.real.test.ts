import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  IAMClient,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { awsIamConnectionSchema } from '../../src/providers/aws/config.ts';
import { awsIamAt } from '../../src/providers/aws/open.ts';
import { type AwsAccount, connectAwsAccount } from '../../src/providers/aws/client/account.ts';
import { createGuard } from '../../src/providers/guard/guard.ts';
import { guardLimitsSchema } from '../../src/providers/guard/config.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { startMoto, type Moto } from '../kit/backends/moto.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { iamUser, strictMoto, type IamUser } from '../kit/aws/iam-user.ts';
import { fixtureAt } from '../kit/rotation/target-fixture.ts';
import {
  HOSTILE_NAMES,
  rotationTargetContract,
  turnOf,
  type RotationFixture,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';

type IamFixture = IamUser & RotationFixture;

async function iamFixture(moto: Moto, username?: string): Promise<IamFixture> {
  const accounts: AwsAccount[] = [];
  const fixture = await fixtureAt(iamUser(moto, username), async (connection) => {
    const { region, endpoint, stsEndpoint } = awsIamConnectionSchema.parse(connection);
    const guard = createGuard(guardLimitsSchema.parse(PATIENT), {
      clock: systemClock,
      connection: 'backend',
    });
    const account = await connectAwsAccount({ region, endpoint, stsEndpoint }, guard);
    accounts.push(account);
    return awsIamAt('iam', account, systemClock).rotation;
  });
  const close = async (): Promise<void> => {
    for (const account of accounts) account.close();
    await fixture.close();
  };
  return { ...fixture, close };
}

describeWith(['moto'], 'moto with signature checks', () => {
  let moto: Running<Moto>;
  beforeAll(async () => {
    moto = await strictMoto();
  });
  afterAll(() => moto.stop());

  rotationTargetContract('an IAM user', (names) => iamFixture(moto, names?.username), {
    slots: 'two',
    drillable: true,
    madeByTarget: true,
    hostless: true,
    impossibleNames: HOSTILE_NAMES,
  });

  describe('access keys', () => {
    const make = async (UserName: string, iam: IAMClient): Promise<string> => {
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
      return AccessKey?.AccessKeyId ?? '';
    };

    it('keep a key that existed before the rotation began', async () => {
      const { target, current, iam, username, ...fixture } = await iamFixture(moto);
      await make(username, iam);
      const before = await fixture.state();
      const turn = { ...turnOf(current), startedAt: Date.now() + 60_000 };
      expect(await failureOf(target.create(turn))).toMatchObject({
        code: 'ERR_CONFLICT',
        reason: 'no_free_slot',
      });
      expect(await fixture.state()).toBe(before);
      await fixture.close();
    });

    it('keep a key that was used, however young', async () => {
      const { target, current, iam, username, ...fixture } = await iamFixture(moto);
      const turn = turnOf(current);
      const { AccessKey: key } = await iam.send(new CreateAccessKeyCommand({ UserName: username }));
      const data = {
        accessKeyId: key?.AccessKeyId ?? '',
        secretAccessKey: key?.SecretAccessKey ?? '',
      };
      expect(await fixture.logsIn(data)).toBe(true);
      const before = await fixture.state();
      expect(await failureOf(target.create(turn))).toMatchObject({ reason: 'no_free_slot' });
      expect(await fixture.state()).toBe(before);
      await fixture.close();
    });

    it('delete a key that an earlier attempt created and no version stores, and create no third key', async () => {
      const { target, current, iam, username, ...fixture } = await iamFixture(moto);
      const turn = turnOf(current);
      const left = await make(username, iam);
      const pending = await target.create(turn);
      expect(await fixture.state()).not.toContain(left);
      expect(JSON.parse(await fixture.state())).toHaveLength(2);
      expect(await fixture.logsIn(pending)).toBe(true);
      await fixture.close();
    });

    it('stop before anything is created or deleted when the claim is lost', async () => {
      const { target, current, iam, username, ...fixture } = await iamFixture(moto);
      const lost = turnOf(current, { lost: true });
      const empty = await fixture.state();
      expect(await failureOf(target.create(lost))).toMatchObject({ reason: 'claim_lost' });
      expect(await fixture.state()).toBe(empty);
      await make(username, iam);
      const full = await fixture.state();
      expect(await failureOf(target.create(lost))).toMatchObject({ reason: 'claim_lost' });
      expect(await fixture.state()).toBe(full);
      await fixture.close();
    });

    it('refuse a current value whose key belongs to another user', async () => {
      const { target, current, ...fixture } = await iamFixture(moto);
      const other = await iamFixture(moto);
      const turn = turnOf({ ...current, accessKeyId: other.current['accessKeyId'] ?? '' });
      expect(await failureOf(target.create(turn))).toMatchObject({ reason: 'key_of_another' });
      const pending = await target.create(turnOf(current));
      await target.retire(turnOf(pending), other.current);
      expect(await other.logsIn(other.current)).toBe(true);
      expect(await target.test(other.current, contextOf())).toEqual({
        accepted: false,
        reason: 'another_user',
      });
      await fixture.close();
      await other.close();
    });

    it('refuse the key of a user with the same name in another account', async () => {
      const plain = await startMoto();
      const { region, endpoint } = plain;
      const { target, current, username, ...fixture } = await iamFixture(plain);
      const sts = new STSClient({ region, endpoint });
      const RoleArn = 'arn:aws:iam::210987654321:role/any';
      const role = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'test' }));
      const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = role.Credentials ?? {};
      const iam = new IAMClient({
        region,
        endpoint,
        credentials: {
          accessKeyId: AccessKeyId,
          secretAccessKey: SecretAccessKey,
          sessionToken: SessionToken,
        },
      });
      await iam.send(new CreateUserCommand({ UserName: username }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: username }));
      const foreign = {
        accessKeyId: AccessKey?.AccessKeyId ?? '',
        secretAccessKey: AccessKey?.SecretAccessKey ?? '',
      };
      const client = new STSClient({ region, endpoint, credentials: foreign });
      const { Arn } = await client.send(new GetCallerIdentityCommand({}));
      expect(Arn).toBe(`arn:aws:iam::210987654321:user/${username}`);
      expect(await target.test(foreign, contextOf())).toEqual({
        accepted: false,
        reason: 'another_user',
      });
      expect(await target.test(current, contextOf())).toEqual({ accepted: true });
      for (const one of [sts, iam, client]) one.destroy();
      await fixture.close();
      await plain.stop();
    });

    it('are activated again in set', async () => {
      const { target, current, iam, username, ...fixture } = await iamFixture(moto);
      const turn = turnOf(current);
      const pending = await target.create(turn);
      const id = pending['accessKeyId'] as string;
      const inactive = { UserName: username, AccessKeyId: id, Status: 'Inactive' } as const;
      await iam.send(new UpdateAccessKeyCommand(inactive));
      await target.set(turn, pending);
      expect(await fixture.logsIn(pending)).toBe(true);
      await iam.send(new DeleteAccessKeyCommand({ UserName: username, AccessKeyId: id }));
      expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'not_listed' });
      await fixture.close();
    });
  });
});

describe('an access key that is not yet known everywhere at AWS', () => {
  const key = { id: 'AKIAIOSFODNN7EXAMPLE', isActive: true, createdAt: 1_760_000_000_000 };
  const data = { accessKeyId: key.id, secretAccessKey: 's' };

  /** An account that lists the key, but does not yet accept its signatures. */
  async function probe(clock: HandClock, answer: string): Promise<unknown> {
    const { awsError } = await import('../../src/providers/aws/errors.ts');
    const refusal = { name: answer, $metadata: { httpStatusCode: 403 } };
    const account = {
      listKeys: () => Promise.resolve([key]),
      fetchIdentity: () => Promise.reject(awsError(refusal, new AbortController().signal)),
    } as Partial<AwsAccount> as AwsAccount;
    const target = awsIamAt('iam', account, clock).rotation.target('access-keys', {
      username: 'app',
    });
    return target.test(data, contextOf()).catch((error: unknown) => error);
  }

  it('is tested again while it is young, and refused after that', async () => {
    const clock = new HandClock(key.createdAt + 5_000);
    expect(await probe(clock, 'InvalidClientTokenId')).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'not_yet',
    });
    const refused = { accepted: false, reason: 'login_refused' };
    expect(await probe(clock, 'SignatureDoesNotMatch')).toEqual(refused);
    expect(await probe(new HandClock(key.createdAt + 120_000), 'InvalidClientTokenId')).toEqual(
      refused,
    );
  });
});
