import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readSecret, readSecrets } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
});
afterEach(async () => broker.close());

const asked = (): string[] => broker.backend.calls.filter((call) => call.startsWith('read:'));
const read = (path: string) => readSecret(broker.parts, broker.call(), live, { path });

describe('an absent secret', () => {
  it('causes one request to its backend each second, and one entry for each read (D15)', async () => {
    const entries = await broker.entriesOf(async () => {
      for (let count = 0; count < 20; count += 1) {
        expect(await codeOf(read('kv/none'))).toBe('ERR_NOT_FOUND');
      }
    });
    expect(entries).toHaveLength(20);
    expect(asked()).toEqual(['read:kv/none']);
    broker.clock.advance(1_000);
    expect(await codeOf(read('kv/none'))).toBe('ERR_NOT_FOUND');
    expect(asked()).toHaveLength(2);
  });

  it('is found one second after an owner created it at the backend', async () => {
    await codeOf(read('kv/none'));
    broker.backend.secrets.set('kv/none', { data: { password: 'p' }, version: '1' });
    broker.clock.advance(1_000);
    expect((await read('kv/none')).value.version).toBe('1');
  });

  it('is found at once after a write through the broker', async () => {
    expect(await codeOf(read('app/new'))).toBe('ERR_NOT_FOUND');
    const write = { path: 'app/new', data: { password: 'p' }, ifVersion: undefined };
    await writeSecret(broker.parts, broker.call(), live, write);
    expect((await read('app/new')).value.json.toString()).toContain('p');
  });

  it('is requested again when its mount changes', async () => {
    await codeOf(read('kv/none'));
    await broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '5s' }));
    await codeOf(read('kv/none'));
    expect(asked()).toHaveLength(2);
  });

  it('is denied, not absent, to a caller that lost its permission (D15)', async () => {
    await codeOf(read('kv/none'));
    await broker.put(admin, 'policy', 'all', policy('all', ['app/**']));
    expect(await codeOf(read('kv/none'))).toBe('ERR_DENIED');
  });

  it('causes one request for batches too', async () => {
    const items = [{ path: 'kv/none' }, { path: 'kv/nothing' }];
    for (let count = 0; count < 5; count += 1) {
      await readSecrets(broker.parts, broker.call(), live, items);
    }
    expect(asked().toSorted()).toEqual(['read:kv/none', 'read:kv/nothing']);
  });
});
