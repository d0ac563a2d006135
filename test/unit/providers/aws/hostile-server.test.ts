import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../../../src/process/clock.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { connectAwsAccount } from '../../../../src/providers/aws/client/account.ts';
import { awsKmsConfig } from '../../../../src/providers/aws/config.ts';
import { openAwsKmsKey } from '../../../../src/providers/aws/kek.ts';
import type { Guard } from '../../../../src/providers/guard/guard.ts';
import { connect, CONTEXT, REGION, setCredentials } from '../../../kit/aws/aws-connection.ts';
import { FakeAws } from '../../../kit/fakes/fake-aws.ts';
import { hostileText, hostileValue, parsesSoon } from '../../../kit/checks/hostile-values.ts';
import { PATIENT } from '../../../kit/providers/longest-timeout.ts';

/** Fewer than the failures that open a circuit, after which no answer would be read. */
const RUNS = { numRuns: 90 };
const LIMITS = { ...PATIENT, maxRetries: 0, failuresToOpen: 100 };
const HUGE = 'x'.repeat(9 * 1024 * 1024);
const KEY_ID = '00000000-0000-4000-8000-000000000000';
const SOME = new TextEncoder().encode('x');

let aws: FakeAws;
beforeAll(async () => {
  setCredentials();
  aws = await FakeAws.start();
});
afterAll(() => aws.close());

/** Each call passes, so that every answer is read. */
const open: Guard = {
  read: (_, work) => work(new AbortController().signal),
  effect: (_, work) => work(new AbortController().signal),
  state: () => {
    throw new Error('not asked for');
  },
};

/** Answers of a status, as JSON: a valid one changed in its text or its values. */
function jsonAnswers(valid: object): fc.Arbitrary<{ status: number; body: string }> {
  const body = fc.oneof(
    hostileText(JSON.stringify(valid)),
    hostileValue(valid).map((value) => JSON.stringify(value)),
  );
  return fc.record({ status: fc.constantFrom(200, 200, 400, 403, 500), body });
}

const contentType = 'text/xml';
const xmlAnswers = (valid: string) =>
  fc.record({
    status: fc.constantFrom(200, 200, 400, 403, 500),
    body: hostileText(valid),
    contentType: fc.constant(contentType),
  });

/** One request for each answer; the broker's own error is the only one. */
async function against(
  answers: fc.Arbitrary<{ status: number; body: string; contentType?: string }>,
  use: () => Promise<unknown>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(answers, async (answer) => {
      aws.always(answer);
      await parsesSoon(use);
    }),
    RUNS,
  );
}

describe('a hostile AWS', () => {
  it('causes an error of the broker for Secrets Manager, whatever it answers (F15)', async () => {
    const connection = await connect(aws.endpoint, LIMITS);
    const provider = connection.mount({ namePrefix: 'prod/' });
    const read = () => provider.read(provider.locate('db'), undefined, CONTEXT);
    const valid = {
      ARN: 'arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-abcdef',
      Name: 'prod/db',
      VersionId: 'v'.repeat(32),
      VersionStages: ['AWSCURRENT'],
      CreatedDate: 1_700_000_000,
      SecretString: '{"password":"p"}',
    };
    aws.always({ status: 200, body: JSON.stringify(valid) });
    expect(await read()).toMatchObject({ version: valid.VersionId });
    await against(jsonAnswers(valid), read);
    aws.always({ status: 200, body: JSON.stringify({ ...valid, SecretString: HUGE }) });
    await expect(read()).rejects.toThrow(BrokerError);
    await connection.close();
  });

  it('causes an error of the broker for KMS, whatever it answers, and no root key is wrapped or opened (F15)', async () => {
    const config = { type: 'aws-kms', connection: 'prod', region: REGION, keyId: KEY_ID };
    const parsed = awsKmsConfig.parse({ ...config, endpoint: aws.endpoint, limits: LIMITS });
    const kek = await openAwsKmsKey(parsed, systemClock);
    const blob = Buffer.from('blob').toString('base64');
    const valid = { KeyId: KEY_ID, CiphertextBlob: blob, Plaintext: blob };
    const opened: unknown[] = [];
    await against(jsonAnswers(valid), async () => opened.push(await kek.wrap(SOME, SOME, CONTEXT)));
    aws.always({ status: 200, body: JSON.stringify({ ...valid, CiphertextBlob: HUGE }) });
    await expect(kek.unwrap(SOME, SOME, CONTEXT)).rejects.toThrow(BrokerError);
    expect(opened).toEqual([]);
    await kek.close();
  });

  it('causes an error of the broker for STS and IAM, whatever it answers (F15)', async () => {
    const access = { region: REGION, endpoint: aws.endpoint, stsEndpoint: aws.endpoint };
    const account = await connectAwsAccount({ ...access, profile: undefined }, open);
    const role = { roleArn: 'arn:aws:iam::1:role/r', sessionName: 's', seconds: 900 };
    const assume = () => account.assumeRole(role, CONTEXT);
    const assumed = [
      '<AssumeRoleResponse><AssumeRoleResult><Credentials>',
      '<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>',
      '<SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>',
      '</Credentials></AssumeRoleResult></AssumeRoleResponse>',
    ].join('');
    aws.always({ status: 200, body: assumed, contentType });
    expect(await assume()).toMatchObject({ id: 'ASIAIOSFODNN7EXAMPLE' });
    await against(xmlAnswers(assumed), assume);
    const list = () => account.listKeys('user', CONTEXT);
    const listed = [
      '<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata><member>',
      '<AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><Status>Active</Status>',
      '<CreateDate>2026-01-01T00:00:00Z</CreateDate>',
      '</member></AccessKeyMetadata></ListAccessKeysResult></ListAccessKeysResponse>',
    ].join('');
    aws.always({ status: 200, body: listed, contentType });
    expect(await list()).toMatchObject([{ id: 'AKIAIOSFODNN7EXAMPLE', isActive: true }]);
    await against(xmlAnswers(listed), list);
    aws.always({ status: 200, body: assumed.replace('>t<', `>${HUGE}<`), contentType });
    await expect(assume()).rejects.toThrow(BrokerError);
    account.close();
  });
});
