import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { readSecret, readSecrets } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  broker.backend.secrets.set('kv/team-b/db', { data: { a: 'b' }, version: '1' });
  await broker.put(admin, 'definition', 'kv/team-a/alias', { ref: { at: 'kv/team-b/db' } });
  live = await broker.logIn();
});
afterEach(async () => broker.close());

const read = (path: string) => readSecret(broker.parts, broker.call(), live, { path });

describe('the entry of a read', () => {
  it('names the place at the backend, the same for a path and for an alias of it (A13)', async () => {
    const entries = await broker.entriesOf(async () => {
      await read('kv/team-b/db');
      await read('kv/team-a/alias');
    });
    expect(entries.map(({ path, locator }) => [path, locator])).toEqual([
      ['kv/team-b/db', 'vault:kv/team-b/db'],
      ['kv/team-a/alias', 'vault:kv/team-b/db'],
    ]);
  });

  it('names it for a value from memory, without a call to backend or provider', async () => {
    await read('kv/team-a/alias');
    const { connections } = broker.parts;
    const located: string[] = [];
    const locate = connections.locate.bind(connections);
    connections.locate = (mount, path, ref) => {
      located.push(path);
      return locate(mount, path, ref);
    };
    const entries = await broker.entriesOf(() => read('kv/team-a/alias'));
    expect(entries[0]).toMatchObject({ outcome: 'ok', locator: 'vault:kv/team-b/db' });
    expect(located).toEqual([]);
  });

  it('names it in a batch that one call to the backend served', async () => {
    broker.backend.batches = true;
    const items = [{ path: 'kv/team-b/db' }, { path: 'kv/team-a/alias' }];
    const entries = await broker.entriesOf(() =>
      readSecrets(broker.parts, broker.call(), live, items),
    );
    expect(entries.map(({ locator }) => locator)).toEqual([
      'vault:kv/team-b/db',
      'vault:kv/team-b/db',
    ]);
  });

  it('names it when the read fails, but not when it is denied', async () => {
    const elsewhere = { ref: { at: 'kv/absent' } };
    await broker.put(admin, 'definition', 'kv/team-a/absent', elsewhere);
    const entries = await broker.entriesOf(async () => {
      await read('kv/team-a/absent').catch(() => undefined);
      await read('other/team-a/absent').catch(() => undefined);
    });
    expect(entries.map(({ code, locator }) => [code, locator])).toEqual([
      ['ERR_NOT_FOUND', 'vault:kv/absent'],
      ['ERR_DENIED', undefined],
    ]);
  });

  it('has no locator for the embedded store, where the path is the place', async () => {
    const write = { path: 'app/x', data: { a: 'b' } };
    await writeSecret(broker.parts, broker.call(), live, write);
    const [entry] = await broker.entriesOf(() => read('app/x'));
    expect(entry).not.toHaveProperty('locator');
  });
});

describe('the entry of a credential', () => {
  it('names the place that issued it', async () => {
    await broker.put(admin, 'definition', 'dyn/alias', {
      class: 'dynamic',
      ref: { at: 'dyn/admin' },
    });
    const order = { path: 'dyn/alias', idempotencyKey: 'key-of-the-order-1' };
    const entries = await broker.entriesOf(() =>
      issueCredential({ parts: broker.parts, call: broker.call(), live, order }),
    );
    expect(entries.at(-1)).toMatchObject({
      action: 'credential.issue',
      path: 'dyn/alias',
      locator: 'vault:dyn/admin',
    });
  });
});
