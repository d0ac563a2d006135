import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { releaseLease } from '../../../../src/broker/leases/leases.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { adoptAbandoned, revoker } from '../../../../src/broker/leases/revoker.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, mount, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  const admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.revocation = 'expires-only';
  await broker.put(admin, 'mount', 'dyn', mount('dyn', { dynamic: true }, { leaseTtl: '2h' }));
});
afterEach(async () => broker.close());

const order = () =>
  issueCredential({
    parts: broker.parts,
    call: broker.call(),
    live,
    order: { path: 'dyn/db', idempotencyKey: 'k', ttlSeconds: 60 },
  });
const row = async () => (await listRows(broker.parts.store, 'credentials', { limit: 10 }))[0]!;

/** Runs one round of the revoker: stopped as soon as it started, it completes the round. */
async function revokeRound(): Promise<void> {
  const worker = revoker(broker.parts, () => 0.5);
  worker.start();
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  await worker.stop();
}

describe('a credential that cannot be revoked', () => {
  it('is listed until it expires at its backend', async () => {
    broker.backend.ttlSeconds = 900;
    const { lease } = await order();
    await releaseLease(broker.parts, broker.call(), live, lease.id);
    await revokeRound();
    expect(await row()).toMatchObject({ state: 'expiring', last_error: 'expires_only' });
    broker.clock.advance(899_000);
    await revokeRound();
    expect(await row()).toMatchObject({ state: 'expiring' });
    broker.clock.advance(2_000);
    await revokeRound();
    expect(await row()).toMatchObject({ state: 'revoked' });
    expect(broker.backend.calls.some((call) => call.startsWith('revoke'))).toBe(false);
  });

  it('is listed until its latest expiry if its issue was never recorded', async () => {
    broker.backend.shortestSeconds = 900;
    broker.store.beforeCommit = (plan) => {
      if (plan.urgent === true || records('credential.issue')(plan)) {
        throw new BrokerError('ERR_STORE_UNAVAILABLE');
      }
    };
    expect(await codeOf(order())).toBe('ERR_STORE_UNAVAILABLE');
    broker.store.beforeCommit = () => undefined;
    await adoptAbandoned(broker.parts, broker.clock.now());
    broker.clock.advance(900_000);
    await revokeRound();
    expect(await row()).toMatchObject({ state: 'expiring', last_error: 'expires_only' });
    broker.clock.advance(121_000);
    await revokeRound();
    expect(await row()).toMatchObject({ state: 'revoked' });
  });
});
