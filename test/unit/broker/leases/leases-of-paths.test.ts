import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acknowledgeVersions } from '../../../../src/rotation/acknowledge.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { revokeLeases } from '../../../../src/broker/leases/revoke-leases.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import type { Lease } from '../../../../src/domain/secrets/lease.ts';
import { mount, TestBroker } from '../../../kit/broker/test-broker.ts';

const PATH = 'kv/db';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  for (const name of ['first', 'second'])
    broker.backend.secrets.set(`kv/${name}`, { data: { from: name }, version: '1' });
  await point('first');
  live = await broker.logIn();
});
afterEach(() => broker.close());

const point = (name: string, more: object = {}) =>
  broker.put(admin, 'definition', PATH, { ref: { at: `kv/${name}` }, ...more });

async function read(): Promise<{ readonly from: unknown; readonly lease: Lease }> {
  const { value, lease } = await readSecret(broker.parts, broker.call(), live, { path: PATH });
  return { from: JSON.parse(value.json.toString()), lease: lease! };
}

const refusalOf = () =>
  read().then(
    () => 'none',
    (error: unknown) => (error as { reason?: string }).reason,
  );
const revoke = () =>
  revokeLeases(broker.parts, broker.call(), admin, { selector: { path: PATH }, comment: 'x' });

describe('a version number that exists at two places', () => {
  it('counts as two versions for leases, and as the first again once the path points back', async () => {
    const first = await read();
    await point('second');
    const second = await read();
    expect(second.lease.version).toBe(first.lease.version);
    expect(second.lease.id).not.toBe(first.lease.id);
    expect(JSON.stringify(second.from)).toContain('second');
    expect((await read()).lease.id).toBe(second.lease.id);
    await point('first');
    expect((await read()).lease.id).toBe(first.lease.id);
  });

  it('is revoked at one place only, and a change of settings with the same target does not undo a revocation (ED07)', async () => {
    await read();
    await revoke();
    expect(await refusalOf()).toBe('lease_revoked');
    await point('first', { leaseTtl: '1m', description: 'the same place' });
    expect(await refusalOf()).toBe('lease_revoked');
    await broker.put(admin, 'mount', 'kv', mount('kv', {}, { cacheTtl: '1m' }));
    expect(await refusalOf()).toBe('lease_revoked');
    await point('second');
    expect(await refusalOf()).toBe('none');
    await point('first');
    expect(await refusalOf()).toBe('lease_revoked');
  });

  it('is not acknowledged by an acknowledgement of the other one', async () => {
    const first = await read();
    await point('second');
    broker.clock.advance(1_000);
    const second = await read();
    const said = { path: PATH, version: '1', outcome: 'ok' } as const;
    const [result] = await acknowledgeVersions(broker.parts, broker.call(), live, [said]);
    expect(result).toMatchObject({ ended: 1 });
    const state = async ({ id }: Lease) => (await broker.store.get('leases', { id }))?.state;
    expect([await state(first.lease), await state(second.lease)]).toEqual(['ended', 'live']);
  });
});
