import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  macRow,
  rowElement,
  verifyRow,
  type CanonicalFields,
  type RowValue,
} from '../../../../src/crypto/signatures/row-mac.ts';
import { hmac } from '../../../../src/crypto/hashes/digest.ts';
import { generateSecretKey, importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

type Cell = { text: string } | { integer: string } | { bytes: string } | null;
interface RowCase {
  readonly name: string;
  readonly table: string;
  readonly fields: Record<string, Cell>;
  readonly mac: string;
  readonly expect: string;
}

function value(cell: Cell): RowValue {
  if (cell === null) return null;
  if ('text' in cell) return cell.text;
  return 'integer' in cell ? BigInt(cell.integer) : Buffer.from(cell.bytes, 'hex');
}
const fieldsOf = (cells: Record<string, Cell>): CanonicalFields =>
  Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, value(cell)]));

const vectors = JSON.parse(readFileSync('test/vectors/row-mac-v1.json', 'utf8')) as {
  key: string;
  cases: RowCase[];
};
const key = importSecretKey(Buffer.from(vectors.key, 'hex'));
const INVALID = 'ERR_CIPHERTEXT_INVALID';
const mac = (table: string, fields: CanonicalFields): string =>
  macRow(key, table, fields).toString('hex');

describe('row MACs', () => {
  it.each(vectors.cases)('equal the frozen vector $name', (each) => {
    const code = codeOf(() =>
      verifyRow(key, each.table, fieldsOf(each.fields), Buffer.from(each.mac, 'hex')),
    );
    expect(code).toBe(each.expect === 'verifies' ? 'nothing was thrown' : each.expect);
  });

  it('do not depend on the order of columns, nor on number or bigint, nor on Buffer or Uint8Array', () => {
    const fields = { a: 1, b: 'x', c: Buffer.of(1, 2), d: -5 };
    expect(mac('t', { d: -5n, c: Uint8Array.of(1, 2), b: 'x', a: 1n })).toBe(mac('t', fields));
    expect(mac('t', { ...fields, d: -0 })).toBe(mac('t', { ...fields, d: 0 }));
  });

  it('refuse another key, and a change of any byte of the MAC', () => {
    const good = macRow(key, 't', { a: 1 });
    expect(codeOf(() => verifyRow(generateSecretKey(), 't', { a: 1 }, good))).toBe(INVALID);
    for (let i = 0; i < good.length; i++) {
      const changed = Buffer.from(good);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(codeOf(() => verifyRow(key, 't', { a: 1 }, changed))).toBe(INVALID);
    }
  });

  it('refuse a row without an encoding, which cannot have a valid MAC', () => {
    for (const bad of [0.5, Number.NaN, Infinity, 2 ** 53, 'a\ud800']) {
      expect(() => macRow(key, 't', { a: bad })).toThrow();
      expect(codeOf(() => verifyRow(key, 't', { a: bad }, Buffer.alloc(33, 1)))).toBe(INVALID);
    }
    expect(() => macRow(key, 't', { 'a\udfff': 1 })).toThrow();
  });

  it('cover the bytes that the specification names, whatever the length and the characters', () => {
    const framed = (part: string | Uint8Array): Buffer => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const one = Buffer.alloc(8);
    one.writeUInt8(1, 7);
    for (const length of [0, 1, 63, 64, 65, 127, 128, 255, 256, 65_535, 65_536]) {
      for (const [type, cell] of [
        ['text', 'a'.repeat(length)],
        ['text', `${'a'.repeat(length)}\u00e9`],
        ['text', '\u0080'.repeat(length)],
        ['bytes', Buffer.alloc(length, 0xff)],
        ['bytes', new Uint8Array(Buffer.alloc(length + 2, 0x80).buffer).subarray(1, length + 1)],
      ] as const) {
        const message = ['quaymaster/v1/row', 't', one, 'body', type, cell].map(framed);
        expect([length, mac('t', { body: cell })]).toEqual([
          length,
          `01${hmac(key, ...message).toString('hex')}`,
        ]);
        expect(Buffer.from(rowElement(key, 't', { body: cell }), 'latin1')).toEqual(
          hmac(key, ...message),
        );
      }
    }
  });

  it('are equal only for equal rows of equal tables', () => {
    const cell = fc.oneof(
      fc.constant(null),
      fc.constantFrom('', '0', '1', 'a', 'text', 'null'),
      fc.integer({ min: -2, max: 2 }),
      fc.uint8Array({ maxLength: 3 }),
    );
    const row = fc.dictionary(fc.constantFrom('a', 'b', 'ab', ''), cell, {
      maxKeys: 4,
      noNullPrototype: true,
    });
    const table = fc.constantFrom('t', 'ta', '');
    const text = (fields: Record<string, RowValue>): string =>
      JSON.stringify(
        Object.entries(fields)
          .sort(([x], [y]) => (x < y ? -1 : 1))
          .map(([name, each]) => [name, typeof each, each]),
      );
    fc.assert(
      fc.property(table, row, table, row, (t1, r1, t2, r2) => {
        expect(mac(t1, r1) === mac(t2, r2)).toBe(t1 === t2 && text(r1) === text(r2));
      }),
      { numRuns: 2000 },
    );
  });
});
