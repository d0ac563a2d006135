import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { MysqlSession } from '../../../../../src/providers/mysql/client/session.ts';
import { followGrants } from '../../../../../src/providers/mysql/rotator/grants.ts';
import { turnOf } from '../../../../contract/rotation-target.contract.ts';
import { hostileText, hostileValue, parsesSoon } from '../../../../kit/checks/hostile-values.ts';

const [FROM, TO] = [
  { username: 'app_a', host: '%' },
  { username: 'app_b', host: '%' },
];
const MODEL = [
  "GRANT USAGE ON *.* TO `app_a`@`%` IDENTIFIED BY PASSWORD '*A' REQUIRE SSL",
  'GRANT SELECT, INSERT ON `shop`.* TO `app_a`@`%`',
  'GRANT `readers` TO `app_a`@`%`',
  'SET DEFAULT ROLE `readers` FOR `app_a`@`%`',
];
/** The most statements for a number of rows: one for each right to take or give, and three for the account. */
const most = (rows: number): number => 2 * rows + 3;

/** A server that shows these rows for each account, whatever is run. */
function showing(rows: readonly unknown[]): { session: MysqlSession; run: string[] } {
  const run: string[] = [];
  const session = {
    ask: () => Promise.resolve(rows),
    run: (statement: string) => Promise.resolve(run.push(statement)),
  };
  return { session: session as unknown as MysqlSession, run };
}

describe('rows that a server shows as the grants of an account (R05)', () => {
  it('are followed, or refused with an error of the broker, whatever they contain (R05)', async () => {
    const line = fc.oneof(...MODEL.map((valid) => hostileText(valid)));
    const rows = fc.oneof(
      fc.array(line, { maxLength: 8 }).map((lines) => lines.map((each) => [each])),
      hostileValue(MODEL.map((each) => [each])).filter((value): value is (string | null)[][] =>
        isRows(value),
      ),
    );
    await fc.assert(
      fc.asyncProperty(rows, async (shown) => {
        const { session, run } = showing(shown);
        const turn = turnOf({ username: 'app_a', password: 'p' });
        await parsesSoon(() => followGrants(session, turn, FROM, TO));
        expect(run.length).toBeLessThanOrEqual(most(shown.length));
      }),
      { numRuns: 500 },
    );
  });

  it('are read in linear time', async () => {
    const long = `GRANT ${'`a`,'.repeat(50_000)} TO ${"'".repeat(50_001)}`;
    const { session } = showing([[long]]);
    const turn = turnOf({ username: 'app_a', password: 'p' });
    await expect(followGrants(session, turn, FROM, TO)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'grants_unreadable',
    });
  });
});

/** The driver returns rows of texts and nulls. */
function isRows(value: unknown): boolean {
  const isText = (each: unknown): boolean => typeof each === 'string' || each === null;
  return Array.isArray(value) && value.every((row) => Array.isArray(row) && row.every(isText));
}
