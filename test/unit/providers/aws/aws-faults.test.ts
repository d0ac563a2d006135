import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { SecretProvider } from '../../../../src/ports/secret-provider.ts';
import { AwsOperator } from '../../../contract/aws-provider.contract.ts';
import { connect, CONTEXT, setCredentials } from '../../../kit/aws/aws-connection.ts';
import { awsFault, FakeAws, type ScriptedAnswer } from '../../../kit/fakes/fake-aws.ts';
import {
  closableProvider,
  type ClosableProvider,
} from '../../../kit/providers/closable-provider.ts';

const CANARY = 'canary-9c1f-secret';
const good = (over: object): string =>
  JSON.stringify({
    Name: 'prod/db',
    VersionId: 'v'.repeat(32),
    VersionStages: ['AWSCURRENT'],
    SecretString: 'x',
    ...over,
  });

describe('a faulty AWS Secrets Manager', () => {
  let fake: FakeAws;
  let connection: ClosableProvider;
  let provider: SecretProvider;
  const read = (over = provider) => over.read(over.locate('db'), undefined, CONTEXT);
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'resolved',
      (error: unknown) => error,
    );
  const operations = () => fake.requests.map(({ operation }) => operation);
  /** Everything of an error that a log could hold. */
  const printed = (error: unknown) => inspect(error, { depth: 10, showHidden: true });

  beforeAll(async () => {
    setCredentials();
    fake = await FakeAws.start();
    const operator = new AwsOperator(fake.endpoint);
    for (const name of ['prod/db', 'prod/a', 'prod/b']) await operator.create(name, 'x');
    operator.close();
  });
  // Each test has a connection of its own, because circuits and retry budgets keep state.
  const open = async (limits: object = {}) => {
    connection = await connect(fake.endpoint, { maxRetries: 0, failuresToOpen: 100, ...limits });
    provider = connection.mount({ namePrefix: 'prod/' });
    fake.reset();
  };
  afterEach(() => connection.close());
  afterAll(() => fake.close());

  it.each<[string, ScriptedAnswer, string]>([
    ['a throttle', awsFault('ThrottlingException', CANARY), 'ERR_PROVIDER_UNAVAILABLE'],
    ['429 by status', { status: 429, body: '' }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['a refusal', awsFault('AccessDeniedException', CANARY), 'ERR_PROVIDER_DENIED'],
    ['a bad signature', awsFault('InvalidSignatureException', CANARY), 'ERR_PROVIDER_DENIED'],
    ['an unknown token', awsFault('UnrecognizedClientException', CANARY), 'ERR_PROVIDER_DENIED'],
    [
      '403 as HTML',
      { status: 403, body: `<html>${CANARY}`, contentType: 'text/html' },
      'ERR_PROVIDER_DENIED',
    ],
    ['a decryption failure', awsFault('DecryptionFailure', CANARY), 'ERR_PROVIDER_FAILED'],
    ['an invalid parameter', awsFault('InvalidParameterException', CANARY), 'ERR_PROVIDER_FAILED'],
    ['an error named after a secret', awsFault(CANARY, CANARY), 'ERR_PROVIDER_FAILED'],
    ['an internal error', awsFault('InternalServiceError', CANARY, 500), 'ERR_PROVIDER_FAILED'],
    ['503', { status: 503, body: CANARY }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['500 as HTML', { status: 500, body: `<html>${CANARY}` }, 'ERR_PROVIDER_FAILED'],
    [
      '200 as HTML',
      { status: 200, body: `<html>${CANARY}`, contentType: 'text/html' },
      'ERR_PROVIDER_MALFORMED',
    ],
    ['half a body', { status: 200, body: `{"Name":"${CANARY}` }, 'ERR_PROVIDER_MALFORMED'],
    [
      '9 MiB',
      { status: 200, body: good({ SecretString: CANARY.repeat(600_000) }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      '50,000 levels',
      { status: 200, body: '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000) },
      'ERR_PROVIDER_MALFORMED',
    ],
    ['an array', { status: 200, body: '[]' }, 'ERR_PROVIDER_MALFORMED'],
    ['a redirect', { status: 302, body: CANARY }, 'ERR_PROVIDER_MALFORMED'],
    [
      'another secret',
      { status: 200, body: good({ Name: 'prod/other', SecretString: CANARY }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'another stage',
      { status: 200, body: good({ VersionStages: ['AWSPREVIOUS'], SecretString: CANARY }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'stages as text',
      { status: 200, body: good({ VersionStages: 'AWSCURRENT' }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    ['no version', { status: 200, body: good({ VersionId: undefined }) }, 'ERR_PROVIDER_MALFORMED'],
    [
      'no value',
      { status: 200, body: good({ SecretString: undefined }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'a number as value',
      { status: 200, body: good({ SecretString: 5 }) },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'half a surrogate pair',
      { status: 200, body: good({}).replace('"x"', '"\\ud800"') },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'a value 50,000 levels deep',
      {
        status: 200,
        body: good({ SecretString: `{"k":${'['.repeat(50_000)}${']'.repeat(50_000)}}` }),
      },
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      'a value with 257 keys',
      {
        status: 200,
        body: good({
          SecretString: JSON.stringify(
            Object.fromEntries(Array.from({ length: 257 }, (_, at) => [at, 'x'])),
          ),
        }),
      },
      'ERR_PROVIDER_MALFORMED',
    ],
  ])('%s gives its error code, and no text of the answer is kept', async (_what, answer, code) => {
    await open();
    fake.script(answer);
    const error = await failure(read());
    expect(error).toMatchObject({ name: 'BrokerError', code });
    expect(printed(error)).not.toContain(CANARY);
    expect(fake.requests).toHaveLength(1);
  });

  it('is asked for the stage explicitly', async () => {
    await open();
    await read();
    expect(fake.requests[0]?.body).toEqual({ SecretId: 'prod/db', VersionStage: 'AWSCURRENT' });
  });

  it('cannot substitute another version for the requested one', async () => {
    await open();
    fake.script({ status: 200, body: good({}) });
    const error = await failure(provider.read(provider.locate('db'), 'w'.repeat(32), CONTEXT));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED' });
    expect(fake.requests[0]?.body).toEqual({ SecretId: 'prod/db', VersionId: 'w'.repeat(32) });
  });

  it('fails the call at the deadline', async () => {
    await open({ timeoutMs: 100 });
    fake.script('hang');
    expect(await failure(read())).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
  });

  it('is disconnected at the deadline when its answer arrives byte by byte', async () => {
    await open({ timeoutMs: 100 });
    fake.script('drip');
    expect(await failure(read())).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
    while (fake.dripping > 0) await new Promise(setImmediate);
  });

  it("fails the call when the caller's signal aborts", async () => {
    await open();
    fake.script('hang');
    const controller = new AbortController();
    const work = provider.read(provider.locate('db'), undefined, {
      ...CONTEXT,
      signal: controller.signal,
    });
    while (fake.requests.length === 0) await new Promise(setImmediate);
    controller.abort();
    expect(await failure(work)).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
  });

  it('gets repeated throttled reads only within the retry budget (F21)', async () => {
    await open({ maxRetries: 2 });
    fake.script(awsFault('ThrottlingException', ''));
    expect(await failure(read())).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'throttled',
    });
    expect(fake.requests).toHaveLength(1);
    for (let call = 0; call < 10; call++) await read();
    fake.script(awsFault('ThrottlingException', ''));
    expect(await read()).toMatchObject({ data: { value: 'x' } });
    expect(fake.requests).toHaveLength(13);
  });

  it('gets single calls for secrets that a batch left out or answered at another stage', async () => {
    await open();
    const stale = {
      Name: 'prod/a',
      VersionId: 'v'.repeat(32),
      VersionStages: ['AWSPREVIOUS'],
      SecretString: CANARY,
    };
    fake.script({
      status: 200,
      body: JSON.stringify({ SecretValues: [stale], Errors: [], NextToken: 'more' }),
    });
    const results = await provider.readMany?.(
      ['a', 'b'].map((rest) => provider.locate(rest)),
      CONTEXT,
    );
    expect(results).toMatchObject([{ data: { value: 'x' } }, { data: { value: 'x' } }]);
    expect(operations()).toEqual(['BatchGetSecretValue', 'GetSecretValue', 'GetSecretValue']);
  });

  it('cannot add a secret to a batch that was not requested', async () => {
    await open();
    const other = JSON.parse(good({ Name: 'prod/other', SecretString: CANARY })) as object;
    fake.script({ status: 200, body: JSON.stringify({ SecretValues: [other, other] }) });
    const results = await provider.readMany?.(
      [provider.locate('a'), provider.locate('absent')],
      CONTEXT,
    );
    expect(results).toMatchObject([{ data: { value: 'x' } }, { code: 'ERR_NOT_FOUND' }]);
  });

  it('gets single calls if the batch call is not allowed', async () => {
    await open();
    fake.script(awsFault('AccessDeniedException', CANARY));
    const results = await provider.readMany?.(
      [provider.locate('a'), provider.locate('absent')],
      CONTEXT,
    );
    expect(results).toMatchObject([{ data: { value: 'x' } }, { code: 'ERR_NOT_FOUND' }]);
  });

  it('fails every item of a failed batch, without single calls', async () => {
    await open();
    fake.always({ status: 503, body: CANARY });
    const results =
      (await provider.readMany?.([provider.locate('a'), provider.locate('b')], CONTEXT)) ?? [];
    expect(results).toMatchObject([
      { code: 'ERR_PROVIDER_UNAVAILABLE' },
      { code: 'ERR_PROVIDER_UNAVAILABLE' },
    ]);
    expect(printed(results)).not.toContain(CANARY);
    expect(fake.requests).toHaveLength(1);
  });

  it('keeps the error of each item of a batch', async () => {
    await open();
    const item = (name: string, type: string) => ({
      SecretId: name,
      ErrorCode: type,
      Message: CANARY,
    });
    const Errors = [
      item('prod/a', 'AccessDeniedException'),
      item('prod/b', 'DecryptionFailure'),
      item('prod/db', '__proto__'),
    ];
    fake.script({ status: 200, body: JSON.stringify({ Errors }) });
    const results = await provider.readMany?.(
      ['a', 'b', 'db'].map((rest) => provider.locate(rest)),
      CONTEXT,
    );
    expect(results).toMatchObject(
      ['ERR_PROVIDER_DENIED', 'ERR_PROVIDER_FAILED', 'ERR_PROVIDER_FAILED'].map((code) => ({
        code,
      })),
    );
    expect(printed(results)).not.toContain(CANARY);
  });

  it('cannot answer a batch in another shape', async () => {
    await open();
    for (const body of ['{"SecretValues":"x"}', '{"SecretValues":[null]}', '{"Errors":{}}']) {
      fake.script({ status: 200, body });
      const results = await provider.readMany?.([provider.locate('a')], CONTEXT);
      expect(results).toMatchObject([{ code: 'ERR_PROVIDER_MALFORMED' }]);
    }
  });

  it('is asked at most ten times, and listed names without a path are left out', async () => {
    await open();
    const names = ['prod/good', 'prod/', 'prod/a//b', 'prod/../x', 'other/x', 'prod/sp ace', 5];
    const body = JSON.stringify({ SecretList: names.map((Name) => ({ Name })) });
    fake.script({ status: 200, body });
    expect((await provider.list('', { limit: 10 }, CONTEXT)).items).toEqual([{ name: 'good' }]);
    fake.reset();
    fake.always({ status: 200, body: JSON.stringify({ SecretList: [], NextToken: 'again' }) });
    expect(await provider.list('', { limit: 10 }, CONTEXT)).toEqual({
      items: [],
      next: 'again',
      cost: 10,
    });
    expect(fake.requests).toHaveLength(10);
  });

  it.each<[ScriptedAnswer, string]>([
    [awsFault('AccessDeniedException', CANARY), 'allowed secretsmanager:ListSecrets'],
    [awsFault('ThrottlingException', CANARY), 'lower limits.maxConcurrent'],
    [{ status: 200, body: '<html>' }, 'not AWS Secrets Manager'],
    [awsFault('Odd', CANARY), 'check region and endpoint'],
  ])('is reported by the check with the problem and the remedy (%j)', async (answer, advice) => {
    await open();
    fake.script(answer);
    const report = await connection.check(CONTEXT);
    expect(report.healthy).toBe(false);
    expect(report.findings.join()).toContain(advice);
    expect(report.findings.join()).not.toContain(CANARY);
  });

  it('gives different errors for broken connections and invalid answers', async () => {
    await open();
    const probe = new URL('../../../kit/aws/transport-fault-probe.ts', import.meta.url);
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(probe)]);
    expect(JSON.parse(stdout)).toEqual({
      cut: 'ERR_PROVIDER_MALFORMED',
      reset: 'ERR_PROVIDER_UNAVAILABLE',
      check: [expect.stringMatching(/cannot be reached: .*ECONNRESET/)],
      down: [expect.stringMatching(/cannot be reached: .*ECONNREFUSED/)],
    });
  });

  it('has a check that reports missing credentials', async () => {
    const { awsSecretsManagerConnectionSchema: schema } =
      await import('../../../../src/providers/aws/config.ts');
    const { openAwsSecretsManager } = await import('../../../../src/providers/aws/open.ts');
    const { systemClock } = await import('../../../../src/process/clock.ts');
    const config = schema.parse({
      type: 'aws-secrets-manager',
      region: 'eu-central-1',
      endpoint: fake.endpoint,
      profile: 'not-there',
      locators: ['**'],
    });
    connection = closableProvider(
      await openAwsSecretsManager('aws', config, { clock: systemClock, connection: 'backend' }),
    );
    const report = await connection.check(CONTEXT);
    expect(report).toMatchObject({ healthy: false });
    expect(report.findings.join()).toContain('no credentials from profile not-there');
  });
});
