import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { listSecrets } from '../../../../src/broker/secrets/list-secrets.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { secretVersions } from '../../../../src/broker/secrets/secret-versions.ts';
import { destroySecret, writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;
let charged: number;

beforeEach(async () => {
  charged = 0;
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.secrets.set('kv/db', { data: { password: 'old' }, version: '1' });
  broker.backend.secrets.set('kv/other', { data: { password: 'o' }, version: '1' });
});
afterEach(async () => broker.close());

const read = (path: string, caller: LiveSession | LiveOperator = live, version?: string) =>
  readSecret(broker.parts, broker.call(), caller, { path, version });

describe('a list', () => {
  const list = (
    prefix: string,
    after?: string,
    caller: LiveSession | LiveOperator = live,
    limit = 10,
  ) =>
    listSecrets(broker.parts, broker.call(), caller, {
      prefix,
      page: { after, limit },
      charge: (reads) => void (charged += reads),
    });

  it('shows names that the caller may list, by whole segments, page after page', async () => {
    for (const name of ['kv/a/1', 'kv/a/2', 'kv/ab/1', 'kv/b'])
      broker.backend.secrets.set(name, { data: { v: '1' }, version: '1' });
    expect((await list('kv/a')).items.map(({ path }) => path)).toEqual(['kv/a/1', 'kv/a/2']);
    broker.backend.pageSize = 2;
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await list('', after, live, 2);
      seen.push(...page.items.map(({ path }) => path));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(['kv/a/1', 'kv/a/2', 'kv/ab/1', 'kv/b', 'kv/db', 'kv/other']);
  });

  it('charges the cost of each page of the backend, and continues later if a page costs too much', async () => {
    for (let n = 0; n < 250; n += 1)
      broker.backend.secrets.set(`kv/n${n}`, { data: { v: '1' }, version: '1' });
    await list('kv', undefined, live, 250);
    expect(charged).toBe(2);
    broker.backend.costOfList = 700;
    broker.backend.pageSize = 10;
    const page = await list('kv', undefined, live, 250);
    expect(charged).toBe(2 + 2 * 700);
    expect(page.items).toHaveLength(20);
    const rest = await list('kv', page.next, live, 250);
    expect(rest.items[0]?.path).not.toBe(page.items.at(-1)?.path);
    expect(rest.items).toHaveLength(20);
  });

  it('does not call a backend without listable paths, because its failure would reveal it', async () => {
    await broker.put(admin, 'policy', 'all', policy('all', ['app/**']));
    broker.backend.during = () => {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    };
    expect((await list('')).items).toEqual([]);
    expect(await codeOf(list('kv'))).toBe('ERR_DENIED');
    expect(broker.backend.calls).toEqual([]);
  });

  it('refuses a foreign cursor, with an entry (C10)', async () => {
    for (const after of ['x', 'e30.AAAA', 'a.b.c']) {
      const entries = await broker.entriesOf(async () => {
        expect(await codeOf(list('kv', after))).toBe('ERR_REQUEST_INVALID');
      });
      expect(entries).toMatchObject([{ action: 'secret.list', outcome: 'deny' }]);
    }
    const { next } = await list('kv', undefined, live, 1);
    expect(next).toBeDefined();
    expect(await codeOf(list('', next))).toBe('ERR_REQUEST_INVALID');
  });

  it('is filtered by the scopes of an operator', async () => {
    const editor = await broker.operator('ed', [{ role: 'secret-editor', scope: ['kv/db'] }]);
    expect((await list('', undefined, editor)).items).toEqual([{ path: 'kv/db' }]);
    expect((await list('kv', undefined, editor)).items).toEqual([{ path: 'kv/db' }]);
    expect(await codeOf(list('app', undefined, editor))).toBe('ERR_DENIED');
  });

  it('shows versions if the backend provides them', async () => {
    await writeSecret(broker.parts, broker.call(), live, { path: 'app/s', data: { v: '1' } });
    expect((await list('app')).items).toEqual([{ path: 'app/s', version: '1' }]);
  });
});

describe('a write', () => {
  const write = (path: string, more: { ifVersion?: string; data?: Record<string, string> } = {}) =>
    writeSecret(broker.parts, broker.call(), live, { path, data: { v: '1' }, ...more });

  it('is recorded once, successful or refused', async () => {
    const cases: [Promise<unknown> | (() => Promise<unknown>), string, string][] = [
      [() => write('app/s'), 'no error', 'ok'],
      [() => write('app/s', { ifVersion: 'absent' }), 'ERR_VERSION_CONFLICT', 'error'],
      [() => write('kv/s'), 'ERR_CONFLICT', 'error'],
      [() => write('else/s'), 'ERR_DENIED', 'deny'],
      [() => write('app/s', { data: { v: 'x'.repeat(2_000) } }), 'ERR_BODY_TOO_LARGE', 'error'],
    ];
    for (const [work, code, outcome] of cases) {
      const entries = await broker.entriesOf(async () => {
        expect(await codeOf((work as () => Promise<unknown>)())).toBe(code);
      });
      expect(entries).toMatchObject([{ action: 'secret.write', outcome }]);
    }
  });

  it('is refused when its permission is removed before the commit', async () => {
    broker.store.once(records('secret.write'), () =>
      broker.put(admin, 'policy', 'all', policy('all', ['app/**'], { capabilities: ['read'] })),
    );
    expect(await codeOf(write('app/s'))).toBe('ERR_DENIED');
    expect(await countRows(broker.parts.store, 'secrets', {})).toBe(0);
  });

  it('is decided again when another broker wrote faster', async () => {
    await write('app/s');
    broker.store.once(records('secret.write'), (plan) => broker.store.real.commit(plan));
    expect(await write('app/s')).toEqual({ path: 'app/s', version: '3', rotates: false });
  });

  it('is not recorded as failed if its outcome is unknown, and its caller gets that answer', async () => {
    broker.store.once(records('secret.write'), async (plan) => {
      await broker.store.real.commit(plan);
      throw new BrokerError('ERR_OUTCOME_UNKNOWN');
    });
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(write('app/s'))).toBe('ERR_OUTCOME_UNKNOWN');
    });
    expect(entries).toMatchObject([{ action: 'secret.write', outcome: 'ok' }]);
  });

  it('is listed by version and deleted by an authorized caller', async () => {
    await write('app/s');
    const editor = await broker.operator('ed', [{ role: 'secret-editor', scope: ['app'] }]);
    const { parts } = broker;
    const { versions } = await secretVersions(parts, broker.call(), editor, 'app/s');
    expect(versions).toHaveLength(1);
    expect(await codeOf(secretVersions(parts, broker.call(), editor, 'kv/db'))).toBe('ERR_DENIED');
    const again = { path: 'app/s', data: { v: '2' } };
    expect((await writeSecret(parts, broker.call(), editor, again)).version).toBe('2');
    await destroySecret(parts, broker.call(), editor, { path: 'app/s' });
    expect(await codeOf(destroySecret(parts, broker.call(), editor, { path: 'app/s' }))).toBe(
      'ERR_NOT_FOUND',
    );
    expect(await codeOf(read('app/s'))).toBe('ERR_NOT_FOUND');
  });
});
