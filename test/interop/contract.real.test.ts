import { describeWith } from '../kit/backends/backends.ts';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { runSchemathesis } from '../kit/backends/schemathesis.ts';
import { PreparedBroker } from '../kit/prepared-broker.ts';

const CONTRACT = new URL('../../openapi.yaml', import.meta.url).pathname;
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];
/** `seal` ends the broker's work, and an event stream has no end. */
const NEVER_SENT = '(/seal|/events)$';
/** Requests that are generated for each operation, beside those for each limit of each parameter. */
const EXAMPLES = process.env['EXAMPLES'] ?? '4';
/** The same requests in every run. */
const SEED = process.env['SEED'] ?? '1';
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };

let broker: PreparedBroker;
beforeAll(async () => {
  broker = await PreparedBroker.start({
    secrets: { 'own/a': { value: 'v' } },
    config: () => ({
      limits: { identityRate: FREE, loginRate: FREE, addressRate: FREE, denialRate: FREE },
    }),
  });
});
afterAll(() => broker.remove());

describeWith(['schemathesis'], 'the API under requests generated from its contract', (backends) => {
  // The operator comes last, because its requests also delete what the workload needs.
  it.each(['a workload', 'an operator'])(
    'answers %s as documented, and never with a fault of its own',
    async (caller) => {
      const token =
        caller === 'an operator' ? broker.operator : await broker.logIn({ pod: 'generated' });
      const { code, report } = await runSchemathesis(backends.schemathesis, [
        ...['run', CONTRACT, '--url', broker.installation.url, '--seed', SEED],
        ...['--header', `Authorization: Bearer ${token}`, '--no-color'],
        ...['--phases', 'examples,coverage,fuzzing', '--max-examples', EXAMPLES],
        ...['--checks', CHECKS.join(','), '--exclude-path-regex', NEVER_SENT],
      ]);
      expect({ code, report: code === 0 ? '' : report }).toEqual({ code: 0, report: '' });
      const [, generated] = /(\d+) generated/.exec(report) ?? [];
      expect(Number(generated)).toBeGreaterThan(1_000);
    },
    600_000,
  );
});
