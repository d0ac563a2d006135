import { describe, expect, it } from '@jest/globals';
import { postgresMountOptions } from '../../../../src/providers/postgres/config.ts';
import {
  creationProblem,
  fillStatement,
  revocationProblem,
} from '../../../../src/providers/postgres/statements.ts';

const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';

describe('a statement of a mount (R04)', () => {
  it.each([
    CREATE,
    `create user "{{name}}" with password '{{ password }}' valid until '{{expiration}}' in role app`,
    `CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}} CONNECTION LIMIT 5`,
  ])('is accepted if it creates the role with its password and expiry: %s', (text) => {
    expect(creationProblem(text, true)).toBeUndefined();
  });

  it.each([
    'CREATE ROLE {{name}} LOGIN PASSWORD {{password}}',
    'CREATE ROLE {{name}} PASSWORD {{password}} VALID UNTIL {{expiration}}',
    'CREATE ROLE other LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}',
    'GRANT app TO {{name}}',
    `${CREATE} SUPERUSER`,
    `${CREATE} CreateRole`,
    `${CREATE} IN ROLE pg_write_server_files`,
    `${CREATE} IN ROLE "pg_write_server_files"`,
    `${CREATE} ADMIN {{name}}`,
    `${CREATE} IN ROLE {{password}}`,
  ])('is refused if it creates the role in any other way: %s', (text) => {
    expect(creationProblem(text, true)).toEqual(expect.any(String));
  });

  it.each([
    'GRANT app_readonly TO {{name}}',
    'GRANT SELECT (id, "odd "" name"), INSERT ON sales.orders TO {{name}}',
    `ALTER ROLE {{name}} SET search_path TO sales, 'it''s'`,
    'GRANT SELECT ON pg_catalog.pg_authid TO {{name}}',
  ])('is accepted if it grants: %s', (text) => {
    expect(creationProblem(text, false)).toBeUndefined();
  });

  it.each([
    'GRANT app TO {{name}}; DROP TABLE x',
    'GRANT app TO {{name}} -- to all',
    'GRANT app /* */ TO {{name}}',
    'GRANT app TO "x{{name}}"',
    `GRANT app TO {{name}} $$x$$`,
    `ALTER ROLE {{name}} SET x TO E'a'`,
    `ALTER ROLE {{name}} SET x TO 'a\\'`,
    'GRANT U&"\\0061" TO {{name}}',
    'GRANT app TO {{other}}',
    'GRANT app TO {{name}} {{password}}',
    'GRANT app TO x',
    'ALTER ROLE admin IN DATABASE {{name}} RESET ALL',
    'ALTER ROLE {{name}} BYPASSRLS',
    'GRANT pg_execute_server_program TO {{name}}',
    'COPY x TO PROGRAM {{name}}',
    'DO {{name}}',
    'SELECT {{name}}',
    'GRANT app TO {{name}}\u0000',
    'GRANT "unended TO {{name}}',
  ])('is refused: %s', (text) => {
    expect(creationProblem(text, false)).toEqual(expect.any(String));
  });

  it.each([
    ['CREATE ROLE {{name}} LOGIN PASSWORD {{password}}', /lacks VALID UNTIL \{\{expiration\}\}$/],
    ['CREATE ROLE {{name}} PASSWORD {{password}} VALID UNTIL {{expiration}}', /lacks LOGIN$/],
    ['CREATE ROLE {{name}} LOGIN VALID UNTIL {{expiration}}', /lacks PASSWORD \{\{password\}\}$/],
    ['CREATE USER {{name}}', /lacks PASSWORD \{\{password\}\}, VALID UNTIL/],
    ['GRANT app TO {{name}}', /lacks CREATE ROLE \{\{name\}\}, LOGIN/],
    ['CREATE ROLE {{username}} LOGIN', /no such placeholder as \{\{username\}\}/],
    [`${CREATE};`, /no semicolon/],
  ])('causes an error that names the missing part: %s', (text, said) => {
    expect(creationProblem(text, true)).toMatch(said);
  });

  it('causes an error that lists the placeholders', () => {
    const said = 'has no such placeholder as {{role}}: {{name}}, {{password}} and {{expiration}}';
    expect(creationProblem('GRANT {{role}} TO {{name}}', false)).toBe(said);
    expect(revocationProblem('REVOKE {{role}} FROM {{name}}')).toBe(said);
  });

  it('accepts {{name}} and refuses a password in a revocation', () => {
    expect(revocationProblem('DROP OWNED BY {{name}}')).toBeUndefined();
    expect(revocationProblem('REASSIGN OWNED BY {{name}} TO app')).toBeUndefined();
    expect(revocationProblem('ALTER ROLE {{name}} PASSWORD {{password}}')).toBeDefined();
    expect(revocationProblem('DROP TABLE x')).toBeDefined();
  });

  it('is filled with each value quoted by its kind', () => {
    const values = { name: 'x"; DROP ROLE y;--', password: `'\\ $$ 🔑`, expiration: '2030-01-01' };
    expect(fillStatement(CREATE, values)).toBe(
      `CREATE ROLE "x""; DROP ROLE y;--" LOGIN PASSWORD  E'''\\\\ $$ 🔑' VALID UNTIL '2030-01-01'`,
    );
    expect(fillStatement('GRANT a TO "{{name}}"', { name: 'b' })).toBe('GRANT a TO "b"');
    expect(() => fillStatement('GRANT a TO {{name}}', { name: 'nul\0' })).toThrow(
      expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
    );
    expect(() => fillStatement(CREATE, { name: 'b' })).toThrow(
      expect.objectContaining({ code: 'ERR_INTERNAL' }),
    );
  });

  it('is named by its position when the mount is saved if it is invalid', () => {
    const parsed = postgresMountOptions.safeParse({
      roles: { a: { creation: [CREATE, 'DROP TABLE x'], revocation: ['SELECT 1'] } },
    });
    expect(parsed.error?.issues.map(({ path }) => path.join('/'))).toEqual([
      'roles/a/creation/1',
      'roles/a/revocation/0',
    ]);
  });
});
