import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { authenticate, sessionInMemory } from '../../../../src/broker/access/authenticate.ts';
import { endOwnSession } from '../../../../src/broker/leases/end-session.ts';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { listLeases, readLease, releaseLease } from '../../../../src/broker/leases/leases.ts';
import { logIn } from '../../../../src/broker/sessions/log-in.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { refuseRequest } from '../../../../src/broker/recording/refusals.ts';
import { renewLease } from '../../../../src/broker/leases/renew-lease.ts';
import { renewSession } from '../../../../src/broker/sessions/renew-session.ts';
import { revokeLeases, type LeaseSelector } from '../../../../src/broker/leases/revoke-leases.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { cluster, codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(async () => broker.close());

const attempt = (token: string, name = 'c1') =>
  logIn(broker.parts, broker.call(), { cluster: name, token });
const renew = (live: LiveSession, sessionToken: string, token = broker.token()) =>
  renewSession(broker.parts, broker.call(), live, { token, sessionToken });

describe('a login', () => {
  it('opens a session that expires with its token, or earlier', async () => {
    const short = await broker.logIn({ lifeMs: 60_000 });
    expect(short.session.endsAt).toBe(broker.clock.now() + 60_000);
    const long = await broker.logIn({ lifeMs: 36_000_000 });
    expect(long.session.endsAt).toBe(broker.clock.now() + 3_600_000);
  });

  it.each([
    ['whose token is refused', () => attempt('{"bad":"bad_alg"}'), 'ERR_TOKEN_INVALID', 'deny'],
    ['to an unregistered cluster', () => attempt('{}', 'c9'), 'ERR_TOKEN_INVALID', 'deny'],
    [
      'with an expired token, within the tolerated skew',
      () => attempt('{"lifeMs":-5000}'),
      'ERR_TOKEN_INVALID',
      'deny',
    ],
    [
      'of a terminating pod',
      () => {
        broker.watches.get('c1')!.pods.set('pod-1', { state: 'terminating', labels: new Map() });
        return attempt('{}');
      },
      'ERR_TOKEN_INVALID',
      'deny',
    ],
    [
      'of a pod without a known state',
      () => {
        broker.watches.get('c1')!.state = 'stale';
        broker.watches.get('c1')!.fresh = undefined;
        return attempt('{}');
      },
      'ERR_IDENTITY_UNAVAILABLE',
      'error',
    ],
    [
      'of a pod in an unknown state',
      () => {
        broker.watches.get('c1')!.fresh = 'unknown';
        return attempt('{}');
      },
      'ERR_IDENTITY_UNAVAILABLE',
      'error',
    ],
  ])('%s is refused with one entry without an identity', async (_, work, code, outcome) => {
    const entries = await broker.entriesOf(async () => expect(await codeOf(work())).toBe(code));
    expect(entries).toMatchObject([{ action: 'session.create', outcome, code }]);
    expect(entries[0]!.actor).toEqual({ kind: 'unauthenticated' });
  });

  it('is only counted after too many refusals', async () => {
    broker.admission.open = false;
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(attempt('{}', 'c9'))).toBe('ERR_TOKEN_INVALID');
    });
    expect(entries).toEqual([]);
  });

  it('leaves no state when its commit fails', async () => {
    broker.store.refuseOnce(records('session.create'));
    expect(await codeOf(attempt('{}'))).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await countRows(broker.parts.store, 'sessions', {})).toBe(0);
  });

  it('is decided again when its pod ended in the meantime', async () => {
    broker.store.once(records('session.create'), async () => {
      broker.watches.get('c1')!.pods.set('pod-1', { state: 'ended', labels: new Map() });
      await broker.store.real.commit({ invalidates: ['pod:c1/pod-1'] });
    });
    expect(await codeOf(attempt('{}'))).toBe('ERR_TOKEN_INVALID');
  });

  it('does not depend on policies: their changes do not make it stale', async () => {
    broker.store.once(records('session.create'), () => broker.remove(admin, 'policy', 'all'));
    await attempt('{}');
    expect(broker.watches.get('c1')!.confirmed).toBe(1);
  });

  it('needs no pod if the watch is off or the token has none', async () => {
    broker.watches.get('c1')!.state = 'off';
    expect(await codeOf(attempt('{}'))).toBe('no error');
    broker.watches.delete('c1');
    expect(await codeOf(attempt('{"pod":null}'))).toBe('no error');
  });

  it('does not get the permissions of the same name in another cluster (J08, N08)', async () => {
    await broker.put(admin, 'cluster', 'c2', cluster());
    const other = await broker.logIn({}, 'c2');
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    const reading = readSecret(broker.parts, broker.call(), other, { path: 'kv/db' });
    expect(await codeOf(reading)).toBe('ERR_DENIED');
  });
});

describe('a session token', () => {
  const whoIs = (token: string) => authenticate(broker.parts, broker.call(), token);

  it('is found in memory after its first use, and refused after its expiry', async () => {
    const { token } = await broker.openSession({ lifeMs: 60_000 });
    expect(sessionInMemory(broker.parts, token)).toBeUndefined();
    await whoIs(token);
    expect(sessionInMemory(broker.parts, token)).toBeDefined();
    broker.clock.advance(60_000);
    expect(sessionInMemory(broker.parts, token)).toBeUndefined();
    expect(await codeOf(whoIs(token))).toBe('ERR_UNAUTHENTICATED');
  });

  it('is refused the same way whether it is malformed or unknown', async () => {
    expect(sessionInMemory(broker.parts, 'x')).toBeUndefined();
    const { token } = await broker.openSession();
    for (const text of ['x', 'qms_x', `${token.slice(0, -1)}!`, 'qmo_x'])
      expect(await codeOf(whoIs(text))).toBe('ERR_UNAUTHENTICATED');
  });

  it('ends with the registration of its cluster, even if one is created again under the name (P20)', async () => {
    const { token } = await broker.openSession();
    const live = (await whoIs(token)) as LiveSession;
    await broker.remove(admin, 'cluster', 'c1');
    await broker.put(admin, 'cluster', 'c1', cluster());
    expect(await codeOf(whoIs(token))).toBe('ERR_UNAUTHENTICATED');
    expect(await codeOf(renew(live, token))).toBe('ERR_UNAUTHENTICATED');
  });
});

describe('a renewal of a session', () => {
  it('extends it to the expiry of the token, for every later request', async () => {
    const { token } = await broker.openSession({ lifeMs: 60_000 });
    const live = (await broker.parts.sessions.find(token))!;
    broker.clock.advance(30_000);
    await renew(live, token, broker.token({ lifeMs: 90_000 }));
    const again = (await broker.parts.sessions.find(token))!;
    expect(again.session).toMatchObject({
      id: live.session.id,
      endsAt: broker.clock.now() + 90_000,
    });
  });

  it.each([
    ['another account', { serviceAccount: 'web' }],
    ['another namespace', { namespace: 'else' }],
    ['another pod', { pod: { name: 'api-1', uid: 'pod-2' } }],
    ['no pod', { pod: null }],
    ['a token that is over', { lifeMs: -1 }],
  ])('is refused with %s, once', async (_, claims) => {
    const { token } = await broker.openSession();
    const live = (await broker.parts.sessions.find(token))!;
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(renew(live, token, broker.token(claims)))).toBe('ERR_TOKEN_INVALID');
    });
    expect(entries).toMatchObject([{ action: 'session.renew', outcome: 'deny' }]);
  });

  it('reports that it lost against another one, and is an entry', async () => {
    const { token } = await broker.openSession();
    const live = (await broker.parts.sessions.find(token))!;
    broker.store.once(records('session.renew'), async () => {
      const row = (await broker.parts.store.get('sessions', { id: live.session.id }))!;
      const ends_at = row.ends_at - 1;
      await broker.store.real.commit({ writes: [{ table: 'sessions', put: { ...row, ends_at } }] });
    });
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(renew(live, token))).toBe('ERR_CONFLICT');
    });
    expect(entries).toMatchObject([{ action: 'session.renew', code: 'ERR_CONFLICT' }]);
  });
});

describe('the end of a session', () => {
  it('revokes its leases and credentials, also those that joined at the last moment (L05)', async () => {
    const live = await broker.logIn();
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    broker.backend.secrets.set('kv/late', { data: { v: '1' }, version: '1' });
    const { parts } = broker;
    await readSecret(parts, broker.call(), live, { path: 'kv/db' });
    const order = { path: 'dyn/db', idempotencyKey: 'k' };
    await issueCredential({ parts, call: broker.call(), live, order });
    broker.store.once(records('session.end'), async () => {
      await readSecret(parts, broker.call(), live, { path: 'kv/late' });
    });
    const entries = await broker.entriesOf(() => endOwnSession(parts, broker.call(), live));
    const words = entries.map(({ action, outcome }) => `${action} ${outcome}`).sort();
    expect(words).toEqual([
      'lease.revoke ok',
      'lease.revoke ok',
      'lease.revoke ok',
      'secret.read ok',
      'session.end ok',
    ]);
    expect(await countRows(parts.store, 'leases', { state: 'live' })).toBe(0);
    expect(await countRows(parts.store, 'credentials', { state: 'revoking' })).toBe(1);
  });

  it('happens once for two simultaneous requests', async () => {
    const live = await broker.logIn();
    const entries = await broker.entriesOf(async () => {
      const both = [1, 2].map(() => codeOf(endOwnSession(broker.parts, broker.call(), live)));
      expect((await Promise.all(both)).sort()).toEqual(['ERR_UNAUTHENTICATED', 'no error']);
    });
    expect(entries.map(({ outcome }) => outcome).sort()).toEqual(['deny', 'ok']);
  });

  it('is not confirmed when it could not be recorded', async () => {
    const live = await broker.logIn();
    broker.store.refuseOnce(records('session.end'));
    expect(await codeOf(endOwnSession(broker.parts, broker.call(), live))).toBe(
      'ERR_AUDIT_UNAVAILABLE',
    );
    expect(await countRows(broker.parts.store, 'sessions', {})).toBe(1);
  });
});

describe('leases', () => {
  const paths = ['kv/a', 'kv/a/1', 'kv/a-b', 'kv/ab/1'];
  let live: LiveSession;
  beforeEach(async () => {
    live = await broker.logIn();
    for (const path of paths) {
      broker.backend.secrets.set(path, { data: { v: '1' }, version: '1' });
      await readSecret(broker.parts, broker.call(), live, { path });
    }
  });
  const list = (filter: object, limit = 10, after?: string, by: LiveOperator = admin) =>
    listLeases(broker.parts, broker.call(), by, { filter, page: { limit, after } });
  const revoke = (selector: LeaseSelector, by: LiveOperator = admin) =>
    revokeLeases(broker.parts, broker.call(), by, { selector, comment: 'incident 7' });

  it('match below a prefix by whole segments, in lists and in revocations (L06)', async () => {
    const { items } = await list({ path: 'kv/a' });
    expect(items.map(({ path }) => path)).toEqual(['kv/a', 'kv/a/1']);
    const one = await list({ path: 'kv/a' }, 1);
    const two = await list({ path: 'kv/a' }, 1, one.next);
    expect([...one.items, ...two.items].map(({ path }) => path)).toEqual(['kv/a', 'kv/a/1']);
    expect(two.next).toBeUndefined();
    expect(await revoke({ path: 'kv/a' })).toEqual({ revoked: 2, revoking: 0 });
    expect((await list({ state: 'live' })).items.map(({ path }) => path)).toEqual([
      'kv/a-b',
      'kv/ab/1',
    ]);
  });

  it('are listed by workload, pod, mount and state', async () => {
    expect((await list({ workload: 'k8s://c1/pay/api' })).items).toHaveLength(4);
    expect((await list({ pod: 'pod-2' })).items).toHaveLength(0);
    expect((await list({ mount: 'kv' }, 3)).next).toBeDefined();
    expect((await list({ mount: 'none' })).items).toHaveLength(0);
    expect((await list({ state: 'ended' })).items).toHaveLength(0);
    expect(await codeOf(list({}, 10, 'forged'))).toBe('ERR_REQUEST_INVALID');
    expect(await codeOf(list({}, 10, undefined, await broker.operator('e', [])))).toBe(
      'ERR_DENIED',
    );
  });

  it('are revoked by each selector, each with an entry and one summary entry', async () => {
    const [lease] = (await list({ path: 'kv/ab/1' })).items;
    const entries = await broker.entriesOf(() => revoke({ id: lease!.id }));
    expect(entries).toMatchObject([
      { action: 'lease.revoke', outcome: 'ok', count: 1 },
      { action: 'lease.revoke', outcome: 'ok', lease: lease!.id, path: 'kv/ab/1' },
    ]);
    expect(await revoke({ id: lease!.id })).toEqual({ revoked: 0, revoking: 0 });
    expect(await revoke({ mount: 'none' })).toEqual({ revoked: 0, revoking: 0 });
    expect(await revoke({ pod: 'pod-1' })).toEqual({ revoked: 3, revoking: 0 });
    expect(await revoke({ workload: 'k8s://c1/pay/api' })).toEqual({ revoked: 0, revoking: 0 });
  });

  it('are revoked by responders within their scope, and a refusal is one entry', async () => {
    const scoped = await broker.operator('s', [{ role: 'responder', scope: ['kv/a'] }]);
    expect(await revoke({ path: 'kv/a/1' }, scoped)).toEqual({ revoked: 1, revoking: 0 });
    const cases: LeaseSelector[] = [{ path: 'kv' }, { mount: 'kv' }, { id: 'lea_x' }];
    for (const selector of cases) {
      const entries = await broker.entriesOf(async () => {
        expect(await codeOf(revoke(selector, scoped))).toBe('ERR_DENIED');
      });
      expect(entries).toMatchObject([{ action: 'lease.revoke', outcome: 'deny' }]);
    }
  });

  it('are still revoked when something unrelated changes, and not when the responder loses the role', async () => {
    const responder = await broker.operator('r', [{ role: 'responder' }]);
    broker.store.once(records('lease.revoke'), () =>
      broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '1m' })),
    );
    expect(await revoke({ path: 'kv/a/1' }, responder)).toEqual({ revoked: 1, revoking: 0 });
    broker.store.once(records('lease.revoke'), () =>
      broker.put(admin, 'operator', 'r', { grants: [{ role: 'auditor' }] }),
    );
    expect(await codeOf(revoke({ path: 'kv' }, responder))).toBe('ERR_DENIED');
    expect((await list({ state: 'live' })).items).toHaveLength(3);
  });

  it('are revoked by their holder, once, and then issued again', async () => {
    const [lease] = (await list({ path: 'kv/ab/1' })).items;
    const other = await broker.logIn({ pod: { name: 'b', uid: 'pod-2' } });
    const { parts } = broker;
    expect(await codeOf(releaseLease(parts, broker.call(), other, lease!.id))).toBe(
      'ERR_NOT_FOUND',
    );
    expect(await codeOf(readLease(parts, broker.call(), other, lease!.id))).toBe('ERR_NOT_FOUND');
    expect(await readLease(parts, broker.call(), live, lease!.id)).toMatchObject({
      path: 'kv/ab/1',
    });
    const entries = await broker.entriesOf(async () => {
      const both = [1, 2].map(() => codeOf(releaseLease(parts, broker.call(), live, lease!.id)));
      expect((await Promise.all(both)).sort()).toEqual(['ERR_NOT_FOUND', 'no error']);
    });
    expect(entries).toHaveLength(2);
    const again = await readSecret(parts, broker.call(), live, { path: 'kv/ab/1' });
    expect(again.lease!.id).not.toBe(lease!.id);
  });

  it('are shown to responders, expired ones too', async () => {
    const [lease] = (await list({ path: 'kv/ab/1' })).items;
    await revoke({ id: lease!.id });
    const shown = await readLease(broker.parts, broker.call(), admin, lease!.id);
    expect(shown).toMatchObject({ state: 'ended', cause: 'revoked' });
    expect(await codeOf(readLease(broker.parts, broker.call(), admin, 'lea_x'))).toBe(
      'ERR_NOT_FOUND',
    );
  });

  it('are renewed as the policy allows, kept in memory, and expire with their mount', async () => {
    const [lease] = (await list({ path: 'kv/ab/1' })).items;
    const { parts } = broker;
    broker.clock.advance(1_000);
    const renewed = await renewLease(parts, broker.call(), live, { id: lease!.id, ttlSeconds: 10 });
    expect(renewed.endsAt).toBe(lease!.endsAt);
    await broker.remove(admin, 'mount', 'kv');
    await broker.put(admin, 'mount', 'kv', mount('kv'));
    const late = renewLease(parts, broker.call(), live, { id: lease!.id });
    expect(await codeOf(late)).toBe('ERR_NOT_FOUND');
    await broker.put(admin, 'policy', 'all', policy('all', ['app/**']));
    expect(await codeOf(renewLease(parts, broker.call(), live, { id: lease!.id }))).toBe(
      'ERR_DENIED',
    );
  });
});

describe('a request that reaches no use case', () => {
  it('is an entry with its code', async () => {
    const { parts } = broker;
    const entries = await broker.entriesOf(async () => {
      for (const code of ['ERR_REQUEST_INVALID', 'ERR_INTERNAL'] as const) {
        const who = { call: broker.call(), caller: undefined };
        await refuseRequest(parts, who, new BrokerError(code));
      }
    });
    expect(entries).toMatchObject([
      { action: 'request.refused', outcome: 'deny', code: 'ERR_REQUEST_INVALID' },
      { action: 'request.refused', outcome: 'error', code: 'ERR_INTERNAL' },
    ]);
  });
});

describe('a revocation of many leases', () => {
  it('continues in chunks to the last one, also past one that another process revoked in the meantime', async () => {
    const rows = Array.from({ length: 501 }, (_, n) =>
      leaseRow(`lea_${n}`, { path: 'kv/many/x', ends_at: broker.clock.now() + 1_000 }),
    );
    await broker.store.real.commit({ writes: rows.map((put) => ({ table: 'leases', put })) });
    broker.store.once(records('lease.revoke'), async () => {
      const change = { state: 'ended' as const };
      await broker.store.real.commit({
        writes: [{ table: 'leases', key: { id: 'lea_0' }, change }],
      });
    });
    const selector = { path: 'kv/many' };
    const revoked = await revokeLeases(broker.parts, broker.call(), admin, { selector });
    expect(revoked).toEqual({ revoked: 500, revoking: 0 });
    const filter = { path: 'kv/many/x' };
    const page = { limit: 400, after: undefined };
    const first = await listLeases(broker.parts, broker.call(), admin, { filter, page });
    const next = { limit: 400, after: first.next };
    const second = await listLeases(broker.parts, broker.call(), admin, { filter, page: next });
    expect(first.items.length + second.items.length).toBe(501);
  });
});

describe('a lease that joins a session at its end', () => {
  it('is revoked once, even if another process revokes it at the same moment', async () => {
    const live = await broker.logIn();
    const put = leaseRow('lea_late', { session_id: live.session.id, ends_at: 9e12 });
    const change = { state: 'ended' as const };
    broker.store.once(records('session.end'), async () => {
      await broker.store.real.commit({ writes: [{ table: 'leases', put }] });
      broker.store.once(records('lease.revoke'), () =>
        broker.store.real.commit({ writes: [{ table: 'leases', key: { id: put.id }, change }] }),
      );
    });
    const entries = await broker.entriesOf(() => endOwnSession(broker.parts, broker.call(), live));
    expect(entries.map(({ action }) => action)).toEqual(['session.end']);
  });
});
