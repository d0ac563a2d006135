import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { endOwnSession } from '../../../../src/broker/leases/end-session.ts';
import { readSecret, readSecrets } from '../../../../src/broker/secrets/read-secrets.ts';
import { renewSession } from '../../../../src/broker/sessions/renew-session.ts';
import { revokeLeases } from '../../../../src/broker/leases/revoke-leases.ts';
import { revokeOperatorToken } from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { senderKey } from '../../../../src/crypto/keys/sender-key.ts';
import { judge } from '../../../../src/broker/access/judge.ts';
import { writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { Sender } from '../../../kit/identity/proof-sender.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.secrets.set('kv/db', { data: { password: 'old' }, version: '1' });
  broker.backend.secrets.set('kv/other', { data: { password: 'o' }, version: '1' });
});
afterEach(async () => broker.close());

const read = (path: string, caller: LiveSession | LiveOperator = live, version?: string) =>
  readSecret(broker.parts, broker.call(), caller, { path, version });
const text = async (path: string, caller?: LiveSession | LiveOperator) =>
  (await read(path, caller)).value.json.toString();

describe('a read', () => {
  it('causes one entry, and a repeated read shares its lease', async () => {
    const entries = await broker.entriesOf(async () => {
      const first = await read('kv/db');
      const second = await read('kv/db');
      expect(second.lease?.id).toBe(first.lease?.id);
    });
    expect(entries.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['secret.read', 'ok'],
      ['secret.read', 'ok'],
    ]);
    expect(await countRows(broker.parts.store, 'leases', {})).toBe(1);
  });

  it('calls the backend for an old version, and has a lease of its own', async () => {
    expect((await read('kv/db', live, '1')).value.version).toBe('1');
    expect(await codeOf(read('kv/db', live, '9'))).toBe('ERR_NOT_FOUND');
  });

  it('releases nothing when its entry cannot be committed, and removes its lease from memory', async () => {
    broker.store.refuseOnce(records('secret.read'));
    expect(await codeOf(read('kv/db'))).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await countRows(broker.parts.store, 'leases', {})).toBe(0);
    const { lease } = await read('kv/db');
    expect(await broker.parts.store.get('leases', { id: lease!.id })).toMatchObject({
      state: 'live',
    });
  });

  it('gives a denied caller the same answer whether the secret, the mount or neither exists (P18)', async () => {
    const stranger = await broker.logIn({ namespace: 'else' });
    const answers: unknown[] = [];
    const entries = await broker.entriesOf(async () => {
      for (const path of ['kv/db', 'kv/none', 'nowhere/at/all']) {
        answers.push(await read(path, stranger).catch((error: unknown) => error));
      }
    });
    for (const answer of answers as BrokerError[]) {
      expect([answer.code, answer.detail, answer.problems]).toEqual([
        'ERR_DENIED',
        undefined,
        undefined,
      ]);
    }
    expect(entries.map(({ outcome, code }) => [outcome, code])).toEqual(
      Array(3).fill(['deny', 'ERR_DENIED']),
    );
    expect(broker.backend.calls).toEqual([]);
  });

  it('reports an absent secret only to callers that may read the path', async () => {
    expect(await codeOf(read('kv/none'))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(read('dyn/db'))).toBe('ERR_CONFLICT');
  });

  it('is refused when its policy is invalidated between the decision and the commit', async () => {
    broker.store.once(records('secret.read'), () => broker.remove(admin, 'policy', 'all'));
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(read('kv/db'))).toBe('ERR_DENIED');
    });
    expect(entries.filter(({ action }) => action === 'secret.read')).toMatchObject([
      { outcome: 'deny' },
    ]);
  });

  it('is refused when its session closes between the decision and the commit', async () => {
    broker.store.once(records('secret.read'), () =>
      endOwnSession(broker.parts, broker.call(), live),
    );
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(read('kv/db'))).toBe('ERR_UNAUTHENTICATED');
    });
    expect(entries.filter(({ action }) => action === 'secret.read')).toMatchObject([
      { outcome: 'deny', code: 'ERR_UNAUTHENTICATED' },
    ]);
    expect(await countRows(broker.parts.store, 'leases', { state: 'live' })).toBe(0);
  });

  it('is refused when its session closed between authentication and the decision', async () => {
    await endOwnSession(broker.parts, broker.call(), live);
    expect(await codeOf(read('kv/db'))).toBe('ERR_UNAUTHENTICATED');
  });

  it('succeeds when its session is renewed in the meantime', async () => {
    const { token } = await broker.openSession();
    const own = (await broker.parts.sessions.find(token))!;
    broker.store.once(records('secret.read'), async () => {
      broker.clock.advance(1_000);
      const request = { token: broker.token(), sessionToken: token };
      await renewSession(broker.parts, broker.call(), own, request);
    });
    expect(await text('kv/db', own)).toBe('{"password":"old"}');
  });

  it('is refused at the exact expiry of its session, however long its backend takes', async () => {
    broker.backend.during = () => broker.clock.advance(3_600_000);
    expect(await codeOf(read('kv/db'))).toBe('ERR_UNAUTHENTICATED');
  });

  it('is refused when its pod is reported as ended in the meantime', async () => {
    broker.backend.during = async () => {
      await broker.store.real.commit({
        writes: [{ table: 'sessions', remove: { id: live.session.id } }],
        invalidates: ['pod:c1/pod-1', `session:${live.session.id}`],
      });
    };
    expect(await codeOf(read('kv/db'))).toBe('ERR_UNAUTHENTICATED');
  });

  it('fails with one entry when invalidations continue', async () => {
    broker.store.beforeCommit = async ({ entries = [] }) => {
      if (entries.some((entry) => entry.includes('"outcome":"ok"')))
        await broker.store.real.commit({ invalidates: ['policies:all'] });
    };
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(read('kv/db'))).toBe('ERR_BUSY');
    });
    expect(entries).toMatchObject([{ action: 'secret.read', outcome: 'error', code: 'ERR_BUSY' }]);
  });

  it('needs secret-reader for an operator, holds no lease, and fails once the token is revoked', async () => {
    const reader = await broker.operator('ann', [{ role: 'secret-reader', scope: ['kv/db'] }]);
    expect((await read('kv/db', reader)).lease).toBeUndefined();
    expect(await codeOf(read('kv/other', reader))).toBe('ERR_DENIED');
    broker.store.once(records('secret.read'), () =>
      revokeOperatorToken(broker.parts, broker.call(), admin, {
        operator: 'ann',
        id: reader.operator.tokenId,
      }),
    );
    expect(await codeOf(read('kv/db', reader))).toBe('ERR_UNAUTHENTICATED');
  });

  it("is decided on the operator's current roles", async () => {
    const reader = await broker.operator('ann', [{ role: 'secret-reader' }]);
    await broker.put(admin, 'operator', 'ann', { grants: [{ role: 'auditor' }] });
    expect(await codeOf(read('kv/db', reader))).toBe('ERR_DENIED');
  });

  it('never reaches outside the locators of its connection: no definition points there', async () => {
    await broker.put(admin, 'definition', 'kv/far', { ref: { at: 'kv/x' } });
    expect(await codeOf(broker.put(admin, 'definition', 'kv/far', { ref: { at: 'sys/x' } }))).toBe(
      'ERR_BODY_INVALID',
    );
  });
});

describe('a cached decision', () => {
  const put = (rule: object): Promise<unknown> =>
    broker.put(admin, 'policy', 'all', policy('all', ['kv/**'], { rule }));

  it('is used for other pods of the workload, until the policy changes', async () => {
    await read('kv/db');
    const other = await broker.logIn();
    expect(other.view(broker.parts.catalog.policies)).toBe(
      live.view(broker.parts.catalog.policies),
    );
    await read('kv/db', other);
    await put({ effect: 'deny' });
    expect(await codeOf(read('kv/db', other))).toBe('ERR_DENIED');
    expect(await codeOf(read('kv/db'))).toBe('ERR_DENIED');
  });

  it.each([
    ['address', { sourceCidrs: ['10.9.0.0/16'] }],
    ['time', { timeWindows: [{ from: '12:00', to: '12:01', timeZone: 'UTC' }] }],
  ])('is not used if it depends on the %s', async (_, conditions) => {
    await read('kv/db');
    await put({ conditions });
    const denied = readSecret(broker.parts, broker.call('10.1.0.1'), live, { path: 'kv/db' });
    expect(await codeOf(denied)).toBe('ERR_DENIED');
  });

  it('is used only for sessions with the same delivery, sealed or in the clear', async () => {
    await put({ conditions: { sealedDelivery: true } });
    const { parts } = broker;
    const key = senderKey(new Sender().jwk);
    const session = { ...live.session, senderKey: key };
    const bound = new LiveSession(session, live.hash, parts.store, parts.digest);
    const asked = { capability: 'read', path: 'kv/db' } as const;
    expect(judge(parts, broker.call(), bound, asked).allowed).toBe(true);
    expect(judge(parts, broker.call(), live, asked).allowed).toBe(false);
  });
});

describe('the value cache', () => {
  it('makes one backend call for simultaneous readers', async () => {
    await Promise.all([read('kv/db'), read('kv/db'), read('kv/db')]);
    expect(broker.backend.calls).toEqual(['read:kv/db']);
  });

  it('decrypts a value once for the readers of one loop turn, and keeps the plaintext no longer', async () => {
    await read('kv/db');
    const [one, two] = await Promise.all([read('kv/db'), read('kv/db')]);
    expect(two.value).toBe(one.value);
    const later = await read('kv/db');
    expect(later.value).not.toBe(one.value);
    expect(later.value).toEqual(one.value);
  });

  it('does not share a decrypted value after the secret changed', async () => {
    await read('kv/db');
    const values: string[] = [];
    const reads = [read('kv/db')];
    broker.parts.values.drop('kv/db');
    broker.backend.secrets.set('kv/db', { data: { password: 'new' }, version: '2' });
    reads.push(read('kv/db'));
    for (const { value } of await Promise.all(reads)) values.push(value.json.toString());
    expect(values).toEqual(['{"password":"old"}', '{"password":"new"}']);
  });

  it('does not serve the value of another mount at the same path (B09)', async () => {
    expect(await text('kv/db')).toBe('{"password":"old"}');
    await broker.remove(admin, 'mount', 'kv');
    await broker.put(admin, 'mount', 'kv', { ...mount('other'), prefix: 'kv' });
    broker.backend.secrets.set('other/db', { data: { password: 'new' }, version: '1' });
    const before = await countRows(broker.parts.store, 'leases', {});
    expect(await text('kv/db')).toBe('{"password":"new"}');
    expect(await countRows(broker.parts.store, 'leases', {})).toBe(before + 1);
  });

  it('does not serve the value of the earlier place after a definition changed (B09)', async () => {
    await text('kv/db');
    await broker.put(admin, 'definition', 'kv/db', { ref: { at: 'kv/other' } });
    expect(await text('kv/db')).toBe('{"password":"o"}');
  });

  it('does not keep a batch under a mount that changed during the read', async () => {
    broker.backend.batches = true;
    await broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '10m' }));
    broker.backend.secrets.set('other/db', { data: { password: 'new' }, version: '1' });
    broker.backend.secrets.set('other/other', { data: { password: 'new' }, version: '1' });
    broker.backend.during = async (step) => {
      if (step !== 'readMany') return;
      broker.backend.during = () => undefined;
      await broker.put(admin, 'mount', 'kv', { ...mount('other'), prefix: 'kv' });
    };
    const items = [{ path: 'kv/db' }, { path: 'kv/other' }];
    const results = await readSecrets(broker.parts, broker.call(), live, items);
    const values = results.map((result) =>
      result instanceof BrokerError ? result.code : result.value.json.toString(),
    );
    expect(values).toEqual(Array(2).fill('{"password":"new"}'));
  });

  it('completes a call after the first caller disconnected', async () => {
    const gone = new AbortController();
    broker.backend.during = () => gone.abort(new Error('gone'));
    const first = readSecret(broker.parts, broker.call('10.0.0.2', gone.signal), live, {
      path: 'kv/db',
    });
    const second = read('kv/db');
    expect((await first).value.version).toBe('1');
    expect((await second).value.version).toBe('1');
  });

  it('serves for a limited time when the backend fails if the mount allows it, and not when the backend refuses', async () => {
    await broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '1s', staleIfError: '1m' }));
    await read('kv/db');
    broker.clock.advance(2_000);
    broker.backend.during = () => {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    };
    expect((await read('kv/db')).value.stale).toBe(true);
    broker.clock.advance(61_000);
    expect(await codeOf(read('kv/db'))).toBe('ERR_PROVIDER_UNAVAILABLE');
    broker.backend.during = () => {
      throw new BrokerError('ERR_PROVIDER_DENIED');
    };
    expect(await codeOf(read('kv/db'))).toBe('ERR_PROVIDER_DENIED');
  });

  it('drops an embedded secret when it is written', async () => {
    const write = (value: string) =>
      writeSecret(broker.parts, broker.call(), live, { path: 'app/s', data: { v: value } });
    await write('1');
    expect(await text('app/s')).toBe('{"v":"1"}');
    broker.store.once(records('secret.read'), () => write('2'));
    expect(await text('app/s')).toBe('{"v":"2"}');
  });

  it('derives a version from path and value if the backend has none', async () => {
    broker.backend.secrets.set('kv/db', { data: { a: '1', b: '2' }, version: '' });
    const first = (await read('kv/db')).value.version;
    expect(first).toMatch(/^d-/);
    broker.backend.secrets.set('kv/again', { data: { a: '1', b: '2' }, version: '' });
    expect((await read('kv/again')).value.version).not.toBe(first);
    const { values } = broker.parts;
    expect(values.value('kv/db', { data: { b: '2', a: '1' }, version: '' }).version).toBe(first);
    expect(values.value('kv/db', { data: { b: '2', a: '9' }, version: '' }).version).not.toBe(
      first,
    );
  });
});

describe('a batch', () => {
  it('decides and records each item, in one commit', async () => {
    const entries = await broker.entriesOf(async () => {
      const items = [{ path: 'kv/db' }, { path: 'nope/x' }, { path: 'kv/none' }];
      const results = await readSecrets(broker.parts, broker.call(), live, items);
      expect(results.map((one) => (one instanceof BrokerError ? one.code : 'ok'))).toEqual([
        'ok',
        'ERR_DENIED',
        'ERR_NOT_FOUND',
      ]);
    });
    expect(entries.map(({ item, outcome }) => [item, outcome])).toEqual([
      [0, 'ok'],
      [1, 'deny'],
      [2, 'deny'],
    ]);
  });

  it('discloses nothing when a policy is restricted before its commit (P13)', async () => {
    const items = [{ path: 'kv/db' }, { path: 'kv/other' }];
    let reads = 0;
    broker.backend.during = async () => {
      reads += 1;
      if (reads === 2) await broker.put(admin, 'policy', 'all', policy('all', ['kv/db']));
    };
    const results = await readSecrets(broker.parts, broker.call(), live, items);
    expect(results.map((one) => (one instanceof BrokerError ? one.code : 'ok'))).toEqual([
      'ok',
      'ERR_DENIED',
    ]);
  });

  it('makes one batch call if the backend supports it, and single calls when that fails', async () => {
    broker.backend.batches = true;
    await broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '10m' }));
    const items = [{ path: 'kv/db' }, { path: 'kv/other' }, { path: 'kv/none' }];
    await readSecrets(broker.parts, broker.call(), live, items);
    expect(broker.backend.calls).toEqual(['readMany:kv/db kv/other kv/none', 'read:kv/none']);
    broker.clock.advance(601_000);
    broker.backend.during = (step) => {
      if (step === 'readMany') throw new BrokerError('ERR_PROVIDER_FAILED');
    };
    const results = await readSecrets(broker.parts, broker.call(), live, items.slice(0, 2));
    expect(results.some((one) => one instanceof BrokerError)).toBe(false);
    expect(broker.logged).toHaveLength(1);
  });

  it('causes one entry for each item when its session has expired', async () => {
    await endOwnSession(broker.parts, broker.call(), live);
    const entries = await broker.entriesOf(async () => {
      const items = [{ path: 'kv/db' }, { path: 'kv/other', version: '1' }];
      const all = readSecrets(broker.parts, broker.call(), live, items);
      expect(await codeOf(all)).toBe('ERR_UNAUTHENTICATED');
    });
    expect(entries).toMatchObject([
      { action: 'secret.read', outcome: 'deny', path: 'kv/db', item: 0 },
      { action: 'secret.read', outcome: 'deny', path: 'kv/other', item: 1 },
    ]);
  });

  it('shares one lease among its repeated items', async () => {
    const items = [{ path: 'kv/db' }, { path: 'kv/db' }];
    const [one, two] = await readSecrets(broker.parts, broker.call(), live, items);
    expect(one).toMatchObject({ lease: { id: (two as { lease: { id: string } }).lease.id } });
  });
});

describe('leases of reads', () => {
  it('are extended in their last third, and shortened when the policy allows less', async () => {
    const first = (await read('kv/db')).lease!;
    broker.clock.advance(1_000);
    expect((await read('kv/db')).lease!.endsAt).toBe(first.endsAt);
    await broker.put(
      admin,
      'policy',
      'all',
      policy('all', ['kv/**'], { rule: { maxLeaseTtl: '1m' } }),
    );
    const cut = (await read('kv/db')).lease!;
    expect(cut.endsAt).toBe(broker.clock.now() + 60_000);
    broker.clock.advance(45_000);
    const longer = (await read('kv/db')).lease!;
    expect(longer).toMatchObject({ id: first.id, endsAt: broker.clock.now() + 60_000 });
  });

  it('are not extended beyond the session', async () => {
    const short = await broker.logIn({ pod: { name: 'b', uid: 'pod-2' }, lifeMs: 60_000 });
    const { lease } = await read('kv/db', short);
    expect(lease!.endsAt).toBe(short.session.endsAt);
    broker.clock.advance(50_000);
    expect((await read('kv/db', short)).lease!.endsAt).toBe(short.session.endsAt);
  });

  it('leave a tombstone when an operator revokes them, also for a read in flight', async () => {
    const { lease } = await read('kv/db');
    broker.store.once(records('secret.read'), async () => {
      const selector = { id: lease!.id };
      await revokeLeases(broker.parts, broker.call(), admin, { selector });
    });
    expect(await codeOf(read('kv/db'))).toBe('ERR_DENIED');
    expect(await codeOf(read('kv/db'))).toBe('ERR_DENIED');
  });

  it('are limited by the quota for concurrent readers, and other workloads are not affected (L09)', async () => {
    await broker.close();
    broker = await TestBroker.open({ leasesPerWorkload: 10 });
    await broker.seed();
    const [a, b] = [await broker.logIn(), await broker.logIn({ serviceAccount: 'web' })];
    const items = Array.from({ length: 40 }, (_, n) => ({ path: `kv/s${n}` }));
    for (const { path } of items)
      broker.backend.secrets.set(path, { data: { v: '1' }, version: '1' });
    const results = await readSecrets(broker.parts, broker.call(), a, items);
    const codes = results.map((one) => (one instanceof BrokerError ? one.code : 'ok'));
    expect(codes.filter((code) => code === 'ok')).toHaveLength(10);
    expect(codes.filter((code) => code === 'ERR_LEASE_QUOTA')).toHaveLength(30);
    expect((await read('kv/s1', b)).value.version).toBe('1');
    await revokeLeases(
      broker.parts,
      broker.call(),
      await broker.operator('r', [{ role: 'responder' }]),
      {
        selector: { workload: 'k8s://c1/pay/api' },
      },
    );
    expect((await read('kv/s30', a)).value.version).toBe('1');
  });

  it('do not count if they could not be recorded', async () => {
    await broker.close();
    broker = await TestBroker.open({ leasesPerWorkload: 1 });
    await broker.seed();
    live = await broker.logIn();
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    broker.store.refuseOnce(records('secret.read'));
    expect(await codeOf(read('kv/db'))).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await codeOf(read('kv/db'))).toBe('no error');
  });
});
