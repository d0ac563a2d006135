import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { readLease } from '../../../../src/broker/leases/leases.ts';
import { renewLease } from '../../../../src/broker/leases/renew-lease.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { renewSession } from '../../../../src/broker/sessions/renew-session.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
});
afterEach(async () => broker.close());

const issue = (key: string, more: { ttlSeconds?: number } = {}, caller = live) =>
  issueCredential({
    parts: broker.parts,
    call: broker.call(),
    live: caller,
    order: { path: 'dyn/db', idempotencyKey: key, ...more },
  });

describe('a renewal of a credential', () => {
  const renew = (id: string, ttlSeconds?: number) =>
    renewLease(broker.parts, broker.call(), live, { id, ttlSeconds });

  it('lasts as long as the backend allows, and no longer than the definition', async () => {
    const { lease } = await issue('k', { ttlSeconds: 60 });
    broker.backend.renewed = 90;
    expect((await renew(lease.id)).endsAt).toBe(broker.clock.now() + 90_000);
    broker.backend.renewed = undefined;
    expect((await renew(lease.id, 120)).endsAt).toBe(broker.clock.now() + 120_000);
    expect((await renew(lease.id, 1)).endsAt).toBe(broker.clock.now() + 120_000);
    broker.backend.renewed = Number.NaN;
    expect(await codeOf(renew(lease.id, 600))).toBe('ERR_PROVIDER_MALFORMED');
  });

  it.each([
    ['a day of renewals, without one', {}, 86_400_000],
    ['what it says', { maxLeaseTtl: '3h' }, 10_800_000],
    ['its first lease, with one that is shorter', { maxLeaseTtl: '1m' }, 3_600_000],
  ])('is limited by maxLeaseTtl of the definition: %s', async (_what, more, longest) => {
    await broker.put(admin, 'definition', 'dyn/db', { class: 'dynamic', leaseTtl: '1h', ...more });
    const { token: sessionToken } = await broker.openSession();
    const issuedAt = broker.clock.now();
    const own = async (): Promise<LiveSession> => (await broker.parts.sessions.find(sessionToken))!;
    const { lease } = await issue('k', {}, await own());
    let { endsAt } = lease;
    for (let before = 0; endsAt > before;) {
      before = endsAt;
      broker.clock.advance(1_800_000);
      const { parts } = broker;
      const fresh = { token: broker.token(), sessionToken };
      await renewSession(parts, broker.call(), await own(), fresh);
      const renewal = { id: lease.id };
      ({ endsAt } = await renewLease(parts, broker.call(), await own(), renewal));
    }
    expect(endsAt - issuedAt).toBe(longest);
    expect(lease.maxEndsAt - issuedAt).toBe(longest);
  });

  it('does not shorten a lease that another renewal extended meanwhile', async () => {
    const { lease } = await issue('k', { ttlSeconds: 60 });
    broker.store.once(records('lease.renew'), () => renew(lease.id, 1_000));
    expect((await renew(lease.id, 100)).endsAt).toBe(broker.clock.now() + 1_000_000);
  });

  it("is refused, with one entry, for another caller's lease, an expired one, or without the right (L08)", async () => {
    const { lease } = await issue('k', { ttlSeconds: 60 });
    const other = await broker.logIn({ pod: { name: 'b', uid: 'pod-2' } });
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(renewLease(broker.parts, broker.call(), other, { id: lease.id }))).toBe(
        'ERR_NOT_FOUND',
      );
    });
    expect(entries).toMatchObject([{ action: 'lease.renew', outcome: 'deny' }]);
    broker.store.once(records('lease.renew'), () => broker.remove(admin, 'policy', 'all'));
    expect(await codeOf(renew(lease.id))).toBe('ERR_DENIED');
    broker.clock.advance(60_000);
    expect(await codeOf(renew(lease.id))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(readLease(broker.parts, broker.call(), live, lease.id))).toBe(
      'ERR_NOT_FOUND',
    );
  });

  it('is refused if its credential is no longer issued', async () => {
    const { lease } = await issue('k', { ttlSeconds: 60 });
    await broker.store.real.commit({
      writes: [
        { table: 'credentials', key: { id: lease.credentialId! }, change: { state: 'revoking' } },
      ],
    });
    expect(await codeOf(renew(lease.id))).toBe('ERR_NOT_FOUND');
  });
});
