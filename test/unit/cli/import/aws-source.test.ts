import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AwsSource } from '../../../../src/cli/import/aws-source.ts';
import { collect } from '../../../kit/checks/collect-items.ts';
import { EXIT } from '../../../../src/cli/kernel/errors.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { Interrupted } from '../../../../src/cli/kernel/errors.ts';
import { runImportAws } from '../../../../src/cli/verbs/import.ts';
import { awsFault, FakeAws } from '../../../kit/fakes/fake-aws.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

let server: Server;
let ended: AbortController;
let source: AwsSource;

beforeEach(async () => {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIAIOSFODNN7EXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'none';
  process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
  server = createServer(() => ended.abort(new Interrupted(EXIT.interrupted)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ended = new AbortController();
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  source = await AwsSource.open({ region: 'eu-west-1', endpoint, prefix: '' }, ended.signal);
});
afterEach(() => {
  source.close();
  server.close();
  server.closeAllConnections();
});

it.each([
  ['a secret', () => source.read('a')],
  ['the list', () => collect(source.list())],
])(
  'stops at once when AWS does not answer with %s and the import is interrupted',
  async (_what, ask) => {
    await expect(ask()).rejects.toBeInstanceOf(Interrupted);
  },
);

describe('an import from AWS', () => {
  let aws: FakeAws;
  beforeEach(async () => {
    aws = await FakeAws.start();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      aws.secrets.call('CreateSecret', {
        Name: name,
        SecretString: 'hunter2',
        ClientRequestToken: name,
      });
    }
  });
  afterEach(() => aws.close());

  const run = async (more: object = {}) => {
    const broker = new ScriptedBroker({
      listSecrets: () => ({ items: [] }),
      writeSecret: () => ({}),
    });
    const context = cliContext({ broker, format: 'json' });
    const options = { region: 'eu-west-1', endpoint: aws.endpoint, yes: true, ...more };
    const outcome = await runImportAws(context, { args: [], options }).then(
      (exitCode) => ({ exitCode, text: '' }),
      failureOf,
    );
    const { items = [] } = JSON.parse(context.out() || '{}') as {
      items?: { outcome: string; code?: string }[];
    };
    return { ...outcome, words: items.map(({ outcome: word, code }) => code ?? word) };
  };
  const reads = (): number =>
    aws.requests.filter(({ operation }) => operation === 'GetSecretValue').length;
  const at = (): string => `AWS Secrets Manager in eu-west-1 at ${new URL(aws.endpoint).host}`;

  it('stops before it starts for an endpoint without a server', async () => {
    const { endpoint } = aws;
    const host = at();
    await aws.close();
    aws = await FakeAws.start();
    const { exitCode, text, words } = await run({ endpoint });
    expect({ exitCode, words }).toEqual({ exitCode: 5, words: [] });
    expect(text).toMatch(
      new RegExp(`^no response from ${host}: \\w+; check --region and --endpoint$`),
    );
  });

  it.each([
    ['a reset connection', 'reset', 'no response from', '\\w+; check --region', 5],
    [
      'an unavailable service',
      awsFault('ServiceUnavailable', 'x', 503),
      'no response from',
      'ServiceUnavailable',
      5,
    ],
    [
      'a response of another server',
      { status: 200, body: '<html>' },
      'no response from',
      'SyntaxError',
      5,
    ],
    [
      'expired credentials',
      awsFault('ExpiredTokenException', 'x'),
      'credentials refused by',
      'ExpiredTokenException',
      3,
    ],
  ] as const)(
    'stops at %s and requests no further secret',
    async (_what, answer, said, word, code) => {
      aws.script(() => {
        aws.always(answer);
        return undefined;
      });
      const { exitCode, text, words } = await run();
      expect(exitCode).toBe(code);
      expect(text.split('\n')[0]).toMatch(new RegExp(`^${said} ${at()}: ${word}`));
      expect(text).toContain('0 copied, 0 possibly copied, 8 not reached; run the command again');
      expect(words).toEqual(Array.from({ length: 8 }, () => 'not reached'));
      // Four at a time, and the SDK tries each at most three times.
      expect(reads()).toBeLessThanOrEqual(12);
    },
  );

  it('continues after the refusal of one secret', async () => {
    const refused = ({ SecretId }: Readonly<Record<string, unknown>>) =>
      SecretId === 'b' ? awsFault('AccessDeniedException', 'x') : undefined;
    aws.script(...Array.from({ length: 9 }, () => refused));
    const { exitCode, words } = await run();
    expect(exitCode).toBe(1);
    expect(words).toEqual([
      'created',
      'AccessDeniedException',
      ...Array.from({ length: 6 }, () => 'created'),
    ]);
  });

  it.each([
    ['none', 'x y'],
    ['plain at another machine', 'http://aws.test'],
  ])('stops before any request for an endpoint that is %s', async (_what, endpoint) => {
    expect(await run({ endpoint })).toMatchObject({ exitCode: 64 });
  });

  it('stops without credentials', async () => {
    delete process.env['AWS_ACCESS_KEY_ID'];
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/dev/null';
    process.env['AWS_CONFIG_FILE'] = '/dev/null';
    const { exitCode, text } = await run();
    expect(exitCode).toBe(3);
    expect(text).toContain('the AWS SDK found no credentials');
  });
});
