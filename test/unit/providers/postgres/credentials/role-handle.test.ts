import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  formatHandle,
  parseHandle,
  roleOf,
} from '../../../../../src/providers/postgres/credentials/role-handle.ts';

const { cases } = JSON.parse(readFileSync('test/vectors/postgres-role-handle-v1.json', 'utf8')) as {
  cases: readonly { handle: string; role: string }[];
};

describe('the handle of a role', () => {
  it.each(cases)('equals the frozen vector: $role', ({ handle, role }) => {
    expect(formatHandle(parseHandle(handle))).toBe(handle);
    expect(roleOf(parseHandle(handle))).toBe(role);
    expect(Buffer.byteLength(role)).toBeLessThanOrEqual(63);
  });

  it('is refused with additional, missing or different fields', () => {
    const good = JSON.parse(cases[0]!.handle) as Record<string, unknown>;
    const bad = [
      { ...good, more: 1 },
      { ...good, v: 2 },
      { ...good, intent: 'x"; DROP ROLE y' },
      { ...good, label: 'A' },
      { ...good, label: 'x'.repeat(23) },
      { ...good, ttl: 0 },
    ];
    for (const handle of bad) {
      expect(() => parseHandle(JSON.stringify(handle))).toThrow(
        expect.objectContaining({ code: 'ERR_INTERNAL' }),
      );
    }
  });
});
