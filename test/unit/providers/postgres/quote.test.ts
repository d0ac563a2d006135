import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import { quoteIdentifier, quoteLiteral } from '../../../../src/providers/postgres/quote.ts';
import type { PostgresServer } from '../../../../src/providers/postgres/client/server.ts';
import { postgresAt } from '../../../../src/providers/postgres/open.ts';

const INVALID = expect.objectContaining({ code: 'ERR_BODY_INVALID' });

describe('quoted SQL texts', () => {
  it.each([
    ['x"; DROP ROLE y;--', `"x""; DROP ROLE y;--"`],
    ['s"; GRANT ALL', `"s""; GRANT ALL"`],
    ['back\\slash', `"back\\slash"`],
  ])('are one name: %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted);
  });

  it('hold no NUL, at which servers end them (R04)', () => {
    expect(() => quoteIdentifier('app\0')).toThrow(INVALID);
    expect(() => quoteLiteral('pass\0word')).toThrow(INVALID);
  });

  it('are refused with a NUL when a definition names a user with one (R04)', () => {
    const server = { host: 'db', port: 5432, username: 'broker' } as unknown as PostgresServer;
    const connection = postgresAt('db', server, { clock: systemClock }).rotation;
    expect(() => connection.target('single-user', { username: 'app\0' })).toThrow(INVALID);
    const usernames = ['app', 'app\0b'];
    expect(() => connection.target('alternating-users', { usernames })).toThrow(INVALID);
  });
});
