import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { listLeases } from '../../../../src/broker/leases/leases.ts';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { sealInstallation } from '../../../../src/broker/sessions/seal.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
});
afterEach(async () => broker.close());

const seal = () => sealInstallation(broker.parts, broker.call(), admin, 'INC-9');

it.each([
  ['a read', 'secret.read', () => readSecret(broker.parts, broker.call(), live, { path: 'kv/db' })],
  ['a login', 'session.create', () => broker.logIn()],
  [
    "an operator's list",
    'lease.list',
    () =>
      listLeases(broker.parts, broker.call(), admin, {
        filter: {},
        page: { limit: 10, after: undefined },
      }),
  ],
  [
    'an order',
    'credential.issue',
    () =>
      issueCredential({
        parts: broker.parts,
        call: broker.call(),
        live,
        order: { path: 'dyn/db', idempotencyKey: 'k' },
      }),
  ],
] as const)(
  'refuses a request that was decided before the seal: %s (L26)',
  async (_what, action, work) => {
    broker.store.once(records(action), seal);
    expect(await codeOf(work())).toBe('ERR_SEALED');
    expect(await countRows(broker.parts.store, 'sessions', {})).toBe(1);
  },
);
