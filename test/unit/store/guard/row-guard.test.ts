import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { macRow } from '../../../../src/crypto/signatures/row-mac.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import type { TableName } from '../../../../src/ports/store.ts';
import { RowGuard, type StoredRow } from '../../../../src/store/guard/row-guard.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';

const vectors = JSON.parse(readFileSync('test/vectors/row-mac-v1.json', 'utf8')) as {
  key: string;
  cases: { name: string; mac: string }[];
};
const vector = (name: string): string => vectors.cases.find((each) => each.name === name)!.mac;

/** Makes MACs under the key of the vectors. */
function guardOfVectors(): RowGuard {
  const key = importSecretKey(Buffer.from(vectors.key, 'hex'));
  const guard = new RowGuard({ entry: () => '{}' });
  const rows = {
    mac: (table: string, fields: Parameters<typeof macRow>[2]) => macRow(key, table, fields),
    verify: () => undefined,
  };
  guard.open({ keyring: new Keyring(generateRootKey()), rows });
  return guard;
}

it.each<[string, TableName, StoredRow]>([
  ['lease', 'leases', { ...leaseRow('lea_1') }],
  [
    'claim',
    'claims',
    { name: 'audit-integrator', owner: 'w0', epoch: 3, until: 30_000, mac: null },
  ],
])('computes the MAC of a row as the vector has it: %s', (name, table, row) => {
  const { mac } = guardOfVectors().withMac(table, row);
  expect(Buffer.from(mac as Uint8Array).toString('hex')).toBe(vector(name));
});

it('checks rows once they are enforced, and reports each difference once', () => {
  const keyring = new Keyring(generateRootKey());
  const guard = new RowGuard({ entry: () => '{}' });
  const found: string[] = [];
  guard.onHold(({ what }) => found.push(what));
  guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
  const forged = { ...leaseRow('lea_1'), mac: Buffer.alloc(33, 1) };
  guard.check('leases', forged);
  guard.enforce();
  guard.check('leases', guard.withMac('leases', forged));
  expect(guard.isHeld).toBe(false);
  for (const row of [forged, forged, { ...forged, mac: null }]) {
    expect(() => guard.check('leases', row)).toThrow('');
  }
  expect(found).toEqual(['leases lea_1 has no valid MAC']);
  expect(guard.holds).toMatchObject([{ reason: 'rows_differ', kind: 'leases', count: 1 }]);
});
