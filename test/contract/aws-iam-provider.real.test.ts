import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretProvider } from '../../src/ports/secret-provider.ts';
import { awsIamConnectionSchema } from '../../src/providers/aws/config.ts';
import { openAwsIam } from '../../src/providers/aws/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { awsFault, FakeAws } from '../kit/fakes/fake-aws.ts';
import { LossyProxy } from '../kit/network/lossy-proxy.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { dynamicCredentialsContract } from './dynamic-credentials.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';
import { closableProvider, type ClosableProvider } from '../kit/providers/closable-provider.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';

const ACCOUNT = '123456789012';
const workload = {
  cluster: 'east',
  namespace: 'payments',
  serviceAccount: 'api',
  serviceAccountUid: 'u',
};

async function connectTo(endpoint: string): Promise<ClosableProvider> {
  setCredentials();
  const type = 'aws-iam';
  const config = awsIamConnectionSchema.parse({
    type,
    region: REGION,
    endpoint,
    stsEndpoint: endpoint,
    locators: ['roles/**'],
    limits: PATIENT,
  });
  return closableProvider(
    await openAwsIam('iam', config, { clock: systemClock, connection: 'backend' }),
  );
}

/** The AWS identity of a session. */
async function identityOf(
  endpoint: string,
  data: Readonly<Record<string, unknown>>,
): Promise<string> {
  const credentials = {
    accessKeyId: data['accessKeyId'] as string,
    secretAccessKey: data['secretAccessKey'] as string,
    sessionToken: data['sessionToken'] as string,
  };
  const client = new STSClient({ region: REGION, endpoint, credentials });
  const { Arn } = await client.send(new GetCallerIdentityCommand({}));
  client.destroy();
  return Arn ?? '';
}

interface Vectors {
  readonly ref: object;
  readonly intentId: string;
  readonly ttlSeconds: number;
  readonly locator: string;
  readonly handle: string;
}
const file = new URL('../vectors/aws-role-handle-v1.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

describeWith(['moto'], 'moto', ({ moto }) => {
  const role = uniqueName('role');
  let connection: ClosableProvider;
  let provider: SecretProvider;
  let proxy: LossyProxy;
  const sent: string[] = [];

  beforeAll(async () => {
    setCredentials();
    const iam = new IAMClient({ region: REGION, endpoint: moto.endpoint });
    const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] });
    await iam.send(
      new CreateRoleCommand({ RoleName: role, Path: '/team/', AssumeRolePolicyDocument }),
    );
    iam.destroy();
    proxy = await LossyProxy.start({ address: moto.endpoint });
    proxy.instead = (_request, body) => {
      sent.push(body.toString());
      return Promise.resolve(undefined);
    };
    connection = await connectTo(proxy.address);
    provider = connection.mount({ account: ACCOUNT });
  });
  afterAll(async () => {
    await connection.close();
    await proxy.close();
  });

  dynamicCredentialsContract(
    'STS',
    async () => {
      const open = [await connectTo(moto.endpoint)];
      const path = `team/${role}`;
      return {
        provider: open[0]!.mount({ account: ACCOUNT }),
        restart: async () => {
          open.push(await connectTo(moto.endpoint));
          return open.at(-1)!.mount({ account: ACCOUNT });
        },
        path,
        ref: { role: path },
        live: () => Promise.resolve([]),
        settled: () => Promise.resolve(),
        works: async (data) => (await identityOf(moto.endpoint, data)).includes(`/${role}/`),
        close: async () => {
          for (const connection of open) await connection.close();
        },
      };
    },
    { notRenewable: true, resumable: true, expiresOnly: true },
  );

  const begin = (ref: object | undefined, ttlSeconds = 1200): string => {
    const rest = `team/${role}`;
    const locator = provider.locate(rest, ref);
    const intentId = 'cred_0123456789abcdef0123456789abcdef';
    return provider.credentials!.begin({ intentId, locator, workload, ttlSeconds, ref });
  };

  it('issues a working session of the role, and reports its expiry', async () => {
    const credentials = provider.credentials!;
    const handle = await credentials.prepare(begin(undefined), contextOf());
    const issued = await credentials.issue(handle, contextOf());
    expect(issued).toMatchObject({ renewable: false, handle });
    expect(issued.ttlSeconds).toBeGreaterThan(1100);
    expect(issued.ttlSeconds).toBeLessThanOrEqual(1200);
    expect(await identityOf(moto.endpoint, issued.data)).toContain(
      `:assumed-role/${role}/payments.api-`,
    );
    for (const value of Object.values(issued.data)) expect(handle).not.toContain(value);
    expect(credentials.revocation).toBe('expires-only');
    await credentials.revoke(handle, contextOf());
    await credentials.revoke(handle, contextOf());
    expect(await failureOf(credentials.renew(handle, 60, contextOf()))).toMatchObject({
      code: 'ERR_CONFLICT',
    });
    await expect(credentials.revoke('{"v":2}', contextOf())).rejects.toMatchObject({
      code: 'ERR_INTERNAL',
    });
  });

  it('sends exactly the parameters of the reference', async () => {
    sent.length = 0;
    const ref = {
      role: `team/${role}`,
      policy: { Version: '2012-10-17', Statement: [] },
      policyArns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'],
      externalId: 'ext-1',
      tags: { team: 'payments' },
    };
    await provider.credentials!.issue(begin(ref, 60), contextOf());
    const form = Object.fromEntries(new URLSearchParams(sent.at(-1)));
    expect(form).toEqual({
      Action: 'AssumeRole',
      Version: '2011-06-15',
      RoleArn: `arn:aws:iam::${ACCOUNT}:role/team/${role}`,
      RoleSessionName: expect.stringMatching(
        /^payments\.api-cred_0123456789abcdef0123456789abcdef$/,
      ),
      DurationSeconds: '900',
      Policy: '{"Version":"2012-10-17","Statement":[]}',
      'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/ReadOnlyAccess',
      ExternalId: 'ext-1',
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'payments',
    });
  });

  it('has nothing to read or list, and checks itself', async () => {
    const at = provider.locate(role);
    expect((await failureOf(provider.read(at, undefined, contextOf()))).code).toBe('ERR_NOT_FOUND');
    expect(await provider.list('', { limit: 10 }, contextOf())).toEqual({ items: [] });
    const report = await provider.check(contextOf());
    expect(report.healthy).toBe(true);
    expect(report.findings.join()).toContain('the broker is arn:aws:');
  });
});

describe('an assumed role', () => {
  it('is one place, whatever its name is', async () => {
    const connection = await connectTo('http://127.0.0.1:9');
    const provider = connection.mount({ account: ACCOUNT });
    expect(provider.covers).toBe(`roles/${ACCOUNT}/`);
    expect(provider.locate('x', { role: 'a+b/c=d' })).toBe(`roles/${ACCOUNT}/a%2Bb/c%3Dd`);
    for (const rest of ['..', 'a/../b', 'a//b', 'a b', 'a?b', 'a#b', 'ключ', '/a', 'a/']) {
      expect(() => provider.locate(rest)).toThrow('a path is a role');
      expect(() => provider.locate('x', { role: rest })).toThrow('not valid');
    }
    for (const ref of [
      { role: 'a', maxSeconds: 899 },
      { role: 'a', policy: { x: 'y'.repeat(2048) } },
      { role: 'a', tags: { 'aws:x': '1' } },
      { role: 'a', other: 1 },
      {},
    ]) {
      expect(() => provider.locate('x', ref)).toThrow('not valid');
    }
    expect(() => connection.mount({ account: '1' })).toThrow('not valid');
    await connection.close();
  });

  it('has a handle that never changes', async () => {
    const connection = await connectTo('http://127.0.0.1:9');
    const provider = connection.mount({ account: ACCOUNT });
    const { ref, intentId, ttlSeconds, locator, handle } = vectors;
    expect(provider.locate('x', ref)).toBe(locator);
    const begun = provider.credentials!.begin({ intentId, locator, workload, ttlSeconds, ref });
    expect(begun).toBe(handle);
    expect(await provider.credentials!.prepare(handle, contextOf())).toBe(handle);
    await connection.close();
  });

  it.each([
    ['AccessDenied', 403, 'ERR_PROVIDER_DENIED'],
    ['Throttling', 400, 'ERR_PROVIDER_UNAVAILABLE'],
    ['ValidationError', 400, 'ERR_PROVIDER_FAILED'],
  ])('is refused with %s, and repeats no text of AWS', async (name, status, code) => {
    const fake = await FakeAws.start();
    const canary = 'canary-91ab';
    const xml = `<ErrorResponse><Error><Type>Sender</Type><Code>${name}</Code><Message>${canary}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;
    fake.always({ ...awsFault(name, canary, status), body: xml, contentType: 'text/xml' });
    const connection = await connectTo(fake.endpoint);
    const error = await failureOf(
      connection.mount({ account: ACCOUNT }).credentials!.issue(vectors.handle, contextOf()),
    );
    expect(error.code).toBe(code);
    expect(JSON.stringify([error, error.cause, String(error.cause)])).not.toContain(canary);
    const report = await connection.check(contextOf());
    expect(report.healthy).toBe(false);
    expect(report.findings.join()).not.toContain(canary);
    await connection.close();
    await fake.close();
  });
});
