import { describe, expect, it } from '@jest/globals';
import { mysqlMountOptions } from '../../../../../src/providers/mysql/config.ts';

const problemsOf = (creation: readonly string[]): readonly string[] =>
  mysqlMountOptions
    .safeParse({ roles: { r: { creation } } })
    .error?.issues.map(({ message }) => message) ?? [];

describe('a statement of a mount of MySQL', () => {
  it('is a GRANT to the user', () => {
    expect(problemsOf(['GRANT SELECT ON shop.* TO {{name}}', 'grant x to {{name}}'])).toEqual([]);
  });

  it.each([
    [
      "GRANT SELECT ON shop.* TO '{{name}}'@'%'",
      /without quotes, .*: \{\{name\}\} is the whole account/,
    ],
    ['GRANT SELECT ON shop.* TO {{name}};', /without .* semicolon/],
    ["CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", /makes the user itself/],
    ['GRANT SELECT ON shop.* TO {{username}}', /\{\{name\}\} once/],
  ])('is refused with the problem of %s', (text, said) => {
    expect(problemsOf([text]).join('\n')).toMatch(said);
  });
});
