import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { releaseLease } from '../../../../src/broker/leases/leases.ts';
import { revoker } from '../../../../src/broker/leases/revoker.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;

beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
});
afterEach(async () => broker.close());

const row = async () => (await listRows(broker.parts.store, 'credentials', { limit: 1 }))[0]!;

/** Runs the revoker until it has made one more attempt. */
async function tryOnce(): Promise<void> {
  const before = await row();
  const worker = revoker(broker.parts, () => 0.5);
  worker.start();
  for (;;) {
    await setImmediate();
    const now = await row();
    if (now.attempts > before.attempts || now.state === 'revoked') break;
    broker.clock.advance(500);
  }
  await worker.stop();
}

it('lists at once, with the reason, credentials that need an operator, and retries them', async () => {
  const live = await broker.logIn();
  const { lease } = await issueCredential({
    parts: broker.parts,
    call: broker.call(),
    live,
    order: { path: 'dyn/db', idempotencyKey: 'k' },
  });
  await releaseLease(broker.parts, broker.call(), live, lease.id);
  broker.backend.during = () => {
    throw new BrokerError('ERR_CONFLICT', 'role "qm-x" is closed', { reason: 'owns_objects' });
  };
  await tryOnce();
  expect(await row()).toMatchObject({
    state: 'irrevocable',
    attempts: 1,
    last_error: 'ERR_CONFLICT owns_objects',
  });
  broker.backend.during = () => undefined;
  broker.clock.advance(300_000);
  await tryOnce();
  expect(await row()).toMatchObject({ state: 'revoked' });
});
