import { describe, expect, it } from '@jest/globals';
import { haveOneOf, neededRoles } from '../../../../src/domain/identity/needed-roles.ts';
import type { Grant, Role } from '../../../../src/domain/identity/principal.ts';

const EDITORS: readonly Role[] = ['secret-editor', 'admin'];

describe('the roles that an operation needs', () => {
  it.each<[string, readonly Grant[], readonly boolean[]]>([
    ['no role', [], [false, false, false]],
    ['another role', [{ role: 'auditor', scope: [] }], [false, false, false]],
    ['the role of this path', [{ role: 'secret-editor', scope: ['shop'] }], [false, true, true]],
    ['the role of another path', [{ role: 'secret-editor', scope: ['pay'] }], [false, true, false]],
    [
      'the role of a name that begins alike',
      [{ role: 'secret-editor', scope: ['sh'] }],
      [false, true, false],
    ],
    ['the role everywhere', [{ role: 'secret-editor', scope: [] }], [true, true, true]],
    ['the role admin', [{ role: 'admin', scope: [] }], [true, true, true]],
  ])('are judged for a holder of %s', (_what, grants, expected) => {
    const extents = ['everywhere', 'anywhere', { path: 'shop/db' }] as const;
    expect(extents.map((extent) => haveOneOf(grants, EDITORS, extent))).toEqual(expected);
  });

  it('include admin for everything but values', () => {
    const admin: readonly Grant[] = [{ role: 'admin', scope: [] }];
    expect(haveOneOf(admin, ['secret-reader'], { path: 'shop/db' })).toBe(false);
    expect(haveOneOf(admin, ['auditor'], 'everywhere')).toBe(true);
  });

  it('are named in a refusal', () => {
    expect(neededRoles(EDITORS)).toBe('needs the role secret-editor or admin');
  });
});
