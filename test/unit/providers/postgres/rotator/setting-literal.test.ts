import { describe, expect, it } from '@jest/globals';
import { settingLiteral } from '../../../../../src/providers/postgres/rotator/follow-role.ts';

describe('a stored setting as an SQL literal', () => {
  it.each([
    ['7MB', `'7MB'`],
    ['', `''`],
    [`it's`, `'it''s'`],
    ['back\\slash', ` E'back\\\\slash'`],
    ['a, b', `'a, b'`],
    ['"quoted"', `'"quoted"'`],
    [`'; DROP ROLE y; --`, `'''; DROP ROLE y; --'`],
  ])('is one literal if the setting is one value: %j', (stored, literal) => {
    expect(settingLiteral('work_mem', stored)).toBe(literal);
  });

  it.each([
    ['public', `'public'`],
    ['sales, public', `'sales', 'public'`],
    ['sales,public', `'sales', 'public'`],
    ['"$user", public', `'$user', 'public'`],
    ['"odd, ""name""", b', `'odd, "name"', 'b'`],
    [' a , "b" ,c ', `'a', 'b', 'c'`],
    ['""', `''`],
    ['', `''`],
    [`"'; DROP ROLE y; --"`, `'''; DROP ROLE y; --'`],
    ['"back\\slash"', ` E'back\\\\slash'`],
  ])('is a literal for each name if the setting is a list: %j', (stored, literals) => {
    expect(settingLiteral('search_path', stored)).toBe(literals);
  });

  it.each(['temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries'])(
    'is a list for %s too',
    (name) => expect(settingLiteral(name, 'a, b')).toBe(`'a', 'b'`),
  );

  it.each(['"open', '"a" b', 'a"b', 'a "b"', '"a""'])(
    'is one literal, which the server refuses, if it is not a list as servers write it: %j',
    (stored) => expect(settingLiteral('search_path', stored)).toBe(`'${stored}'`),
  );

  it('is read in one pass, for any text of a hostile server (R05)', () => {
    const blanks = ' '.repeat(200_000);
    for (const stored of [
      `${blanks}x"`,
      `"${blanks}"${blanks}x`,
      `"${'""'.repeat(200_000)}x`,
      `a${blanks}"`,
    ]) {
      expect(settingLiteral('search_path', stored)).toBe(`'${stored}'`);
    }
  });

  it('is refused with a NUL, which no statement can hold', () => {
    for (const name of ['work_mem', 'search_path']) {
      expect(() => settingLiteral(name, 'a\0b')).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    }
  });
});
