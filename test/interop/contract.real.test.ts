import { fileURLToPath } from 'node:url';
import { describeWith } from '../kit/backends/backends.ts';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ACCESS } from '../../src/api/contract/access.ts';
import { OPERATIONS } from '../../src/client/index.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { runSchemathesis } from '../kit/backends/schemathesis.ts';
import type { Tool } from '../kit/backends/tool.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const CONTRACT = fileURLToPath(new URL('../../openapi.yaml', import.meta.url));
const VAULT_CONTRACT = fileURLToPath(new URL('../../openapi-vault.yaml', import.meta.url));
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];
/** `seal` ends the broker's work, and streams have no end. */
const NEVER_SENT = '(/seal|/events|/changes)$';
/** Operations without generated requests: one ends the session of the run, one answers with any status that a client asks for, and one needs an issuer. */
const NEVER_GENERATED = ['revokeSelf', 'readHealth', 'beginPersonLogin'];
/** Requests that are generated for each operation, beside those for each limit of each parameter. */
const EXAMPLES = process.env['EXAMPLES'] ?? '4';
/** The same requests in every run. */
const SEED = process.env['SEED'] ?? '1';
/** Ends a run that hangs. */
const GENERATED_MS = 1_800_000;
/** Operations that refuse a workload before they read its input: generated input has one answer there. */
const OF_OPERATORS = [...ACCESS].filter(([, { who }]) => who === 'operator');
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };

let broker: PreparedBroker;
let vaultPort: number;
beforeAll(async () => {
  vaultPort = await freePort();
  // Nothing listens there: a login of a person is refused after its input was read.
  const corp = { issuerUrl: 'https://127.0.0.1:1', clientId: 'quaymaster' };
  broker = await PreparedBroker.start({
    secrets: { 'own/a': { value: 'v' } },
    config: () => ({
      limits: { identityRate: FREE, loginRate: FREE, addressRate: FREE, denialRate: FREE },
      people: { issuers: { corp } },
      vaultApi: {
        listener: { port: vaultPort },
        mounts: {
          secret: { engine: 'kv-v2', prefix: 'own' },
          kv: { engine: 'kv-v1', prefix: 'own/old' },
          database: { engine: 'database', prefix: 'own/db' },
        },
        auth: { kubernetes: { cluster: 'c1' }, oidc: { issuer: 'corp' } },
      },
    }),
  });
});
afterAll(() => broker.remove());

describeWith(['schemathesis'], 'the API under requests generated from its contract', (backends) => {
  it('refuses a workload at each operation of operators', async () => {
    const token = await broker.logIn({ pod: 'generated' });
    for (const [id, { method, path }] of OF_OPERATORS) {
      const place = path.replaceAll(/\{\w+\}/g, 'x');
      const { status, json } = await broker.installation.call(method, place, { token });
      expect([id, status, json['code']]).toEqual([id, 403, 'ERR_DENIED']);
    }
  });

  // The operator comes last, because its requests also delete what the workload needs.
  it.each(['a workload', 'an operator'])(
    'answers %s as documented, and never with a fault of its own',
    async (caller) => {
      const token =
        caller === 'an operator' ? broker.operator : await broker.logIn({ pod: 'generated' });
      const generated = await answersAsDocumented(backends.schemathesis, [
        CONTRACT,
        '--url',
        broker.installation.url,
        '--header',
        `Authorization: Bearer ${token}`,
        '--exclude-path-regex',
        NEVER_SENT,
        ...(caller === 'an operator' ? [] : OF_OPERATORS.flatMap(exclusion)),
      ]);
      expect(generated).toBeGreaterThan(1_000);
    },
    GENERATED_MS,
  );

  it(
    'answers clients of the Vault HTTP API as documented, and never with a fault of its own',
    async () => {
      const token = await broker.logIn({ pod: 'generated-client' });
      const generated = await answersAsDocumented(backends.schemathesis, [
        VAULT_CONTRACT,
        '--url',
        `http://127.0.0.1:${vaultPort}`,
        '--header',
        `X-Vault-Token: ${token}`,
        ...NEVER_GENERATED.flatMap((id) => ['--exclude-operation-id', id]),
      ]);
      expect(generated).toBeGreaterThan(300);
    },
    GENERATED_MS,
  );

  it('is refused by every operation that has input or a condition, and succeeds at those that need no object', async () => {
    const reached = await answersByOperation();
    const ids = Object.keys(OPERATIONS);
    const without = (status: string): readonly string[] =>
      ids.filter((id) => !reached.has(`${id} ${status}`)).sort();
    const rows = ids.map((id) =>
      [id, ...STATUSES.map((status) => String(reached.get(`${id} ${status}`) ?? 0))].join('\t'),
    );
    process.stdout.write(`${[['operation', ...STATUSES].join('\t'), ...rows].join('\n')}\n`);
    expect(without('4xx')).toEqual(Object.keys(NEVER_REFUSED).sort());
    // Others need an object that exists: test/api judges their successful answers by the contract too.
    expect(ids.length - without('2xx').length).toBeGreaterThan(15);
  });
});

/** Sends generated requests and compares their answers with the contract. @returns the number of requests */
async function answersAsDocumented(tool: Tool, args: readonly string[]): Promise<number> {
  const { code, report } = await runSchemathesis(tool, [
    'run',
    ...args,
    '--seed',
    SEED,
    '--no-color',
    '--phases',
    'examples,coverage,fuzzing',
    '--max-examples',
    EXAMPLES,
    '--checks',
    CHECKS.join(','),
  ]);
  expect({ code, report: code === 0 ? '' : report }).toEqual({ code: 0, report: '' });
  const [, generated] = /(\d+) generated/.exec(report) ?? [];
  return Number(generated);
}

function exclusion([id]: (typeof OF_OPERATORS)[number]): readonly string[] {
  return ['--exclude-operation-id', id];
}

const STATUSES = ['2xx', '4xx'];
/** Operations without an answer 4xx, and why. */
const NEVER_REFUSED: Readonly<Record<string, string>> = {
  followEvents: 'it is not sent: the stream has no end',
  readHealth: 'it has no input and is open to all',
  readOpenApi: 'it has no input and is open to all',
  readReadiness: 'it has no input and is open to all',
  readRoot: 'it has no input and is open to all',
};

/** The broker's own count of its answers, by operation and class of status. */
async function answersByOperation(): Promise<ReadonlyMap<string, number>> {
  const headers = { authorization: `Bearer ${broker.operator}` };
  const text = await (await fetch(`${broker.installation.url}/metrics`, { headers })).text();
  const line = /^quaymaster_http_requests_total\{operation="(\w+)",status="(\dxx)"\} (\d+)$/gm;
  return new Map(
    [...text.matchAll(line)].map(([, id, status, count]) => [`${id} ${status}`, Number(count)]),
  );
}
