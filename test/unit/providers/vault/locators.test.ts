import { describe, expect, it } from '@jest/globals';
import { vaultMountOptions } from '../../../../src/providers/vault/config.ts';
import { listingRoot, Locators, parseLocator } from '../../../../src/providers/vault/locators.ts';

const of = (options: unknown) => new Locators(vaultMountOptions.parse(options));
const kv = of({ engine: 'kv-v2', path: 'secret', root: 'payments' });
const INVALID = expect.objectContaining({ code: 'ERR_BODY_INVALID' }) as unknown;

describe('locators of Vault', () => {
  it.each([
    [{ engine: 'kv-v2', path: 'secret' }, 'secret/data/', 'secret/metadata'],
    [
      { engine: 'kv-v2', path: 'teams/kv', root: 'a/b' },
      'teams/kv/data/a/b/',
      'teams/kv/metadata/a/b',
    ],
    [{ engine: 'kv-v1', path: 'old', root: 'a b' }, 'old/a%20b/', 'old/a%20b'],
    [{ engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'r' }, 'db/creds/', 'db/creds'],
  ])('%j covers %s', (options, covers, root) => {
    expect(of(options).covers).toBe(covers);
    expect(listingRoot(vaultMountOptions.parse(options))).toBe(root);
  });

  it('are API paths', () => {
    expect(kv.locate('db/main', undefined)).toBe('secret/data/payments/db/main');
  });

  it('come from a reference if a definition has one', () => {
    expect(kv.locate('x', { path: 'secret/data/payments/old name' })).toBe(
      'secret/data/payments/old%20name',
    );
  });

  it('name the one referenced key', () => {
    const locator = kv.locate('x', { path: 'secret/data/payments/db', key: 'pass#word/1' });
    expect(locator).toBe('secret/data/payments/db#pass%23word%2F1');
    expect(parseLocator(locator)).toEqual({ path: 'secret/data/payments/db', key: 'pass#word/1' });
  });

  it.each([
    { path: 'secret/data/other/db' },
    { path: 'secret/data/payments' },
    { path: 'secret/data/paymentsx/db' },
    { path: 'secret/metadata/payments/db' },
    { path: 'secret/data/payments/../other/db' },
    { path: 'sys/policies/acl/root' },
    { path: '/secret/data/payments/db' },
    { path: 'secret/data/payments/db', key: '' },
    { path: 'secret/data/payments/db', method: 'GET' },
    { path: 'secret/data/payments/db', key: '\ud800' },
  ])('refuse the reference %j', (ref) => {
    expect(() => kv.locate('x', ref)).toThrow(INVALID);
  });

  it.each([
    'sys',
    'auth/token',
    'identity',
    'cubbyhole',
    'SYS',
    'a/../sys',
    '../sys',
    'a//b',
    '',
    '/a',
    'a/',
  ])('refuse an engine at “%s”', (path) => {
    expect(vaultMountOptions.safeParse({ engine: 'kv-v2', path }).success).toBe(false);
  });

  it.each(['..', 'a/../b', '/a', 'a/', 'a\u0000'])('refuse the root %j', (root) => {
    expect(() => of({ engine: 'kv-v1', path: 'old', root })).toThrow(INVALID);
  });

  it('refuse an unknown option', () => {
    const options = { engine: 'kv-v2', path: 'secret', tokenRole: 'r' };
    expect(vaultMountOptions.safeParse(options).success).toBe(false);
  });
});
