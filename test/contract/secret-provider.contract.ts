import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../src/domain/errors.ts';
import type { SecretListing } from '../../src/domain/secrets/secret.ts';
import type { CallContext } from '../../src/ports/call-context.ts';
import type { SecretProvider } from '../../src/ports/secret-provider.ts';

/** The setup of one backend for the suite. Names are paths below the mount. */
export interface ProviderFixture {
  readonly provider: SecretProvider;
  /** A mount whose backend refuses the broker; absent only without a backend. */
  readonly denied?: SecretProvider;
  /** A mount whose backend accepts connections and never answers; its deadline is left to the caller. */
  readonly silent?: SecretProvider;
  /** Stores a secret at the backend as its owner would, and resolves once it is readable. */
  put(name: string, data: Readonly<Record<string, string>>): Promise<void>;
  /** Deletes it at the backend. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Limits of a backend; the suite asserts that each fails in the stated way. */
export interface ProviderGaps {
  /** Gap: the provider keeps one version only; `version` is '' and the broker derives one. */
  readonly unversioned?: true;
  /** Old versions cannot be read. */
  readonly onlyCurrent?: true;
  /** Characters that the broker allows in names and this backend does not. */
  readonly refusedNames?: readonly string[];
  /** Names are one segment, a second one names a key of the secret, and keys have no spaces. */
  readonly flat?: true;
}

export const contextOf = (signal = AbortSignal.timeout(60_000)): CallContext => ({
  requestId: 'req_contract',
  signal,
});

/** The BrokerError of a call; anything else fails the test. */
export async function failureOf(call: Promise<unknown>): Promise<BrokerError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
  throw new Error('the call succeeded');
}

const ODD_VALUES: Readonly<Record<string, string>> = {
  empty: '',
  'with spaces': ' leading and trailing ',
  quotes: `"double" 'single' \\back \`tick\``,
  lines: 'one\ntwo\r\nthree\ttab',
  unicode: 'Zoë Ångström 密码 🔑 \u2028',
  json: '{"not":"parsed"}',
  base64: 'AAECAwQF/w==',
  percent: '%2e%2e%2f',
  long: 'x'.repeat(20_000),
};

/** The behaviour of every provider, error codes included. `make` runs once. */
export function secretProviderContract(
  name: string,
  make: () => Promise<ProviderFixture>,
  gaps: ProviderGaps = {},
): void {
  describe(`${name} as a secret provider`, () => {
    let fixture: ProviderFixture;
    beforeAll(async () => {
      fixture = await make();
    });
    afterAll(() => fixture.close());

    const flat = gaps.flat === true;
    const at = (path: string): string => (flat ? path.replaceAll('/', '.') : path);
    const read = (path: string, version?: string) =>
      fixture.provider.read(fixture.provider.locate(path), version, contextOf());

    it('reads what its owner stored', async () => {
      await fixture.put(at('payments/db'), { username: 'app', password: 's3cret' });
      const secret = await read(at('payments/db'));
      expect(secret.data).toEqual({ username: 'app', password: 's3cret' });
    });

    it('returns unusual values byte for byte', async () => {
      const odd = Object.entries(ODD_VALUES).map(([key, value]) => [
        flat ? key.replaceAll(' ', '-') : key,
        value,
      ]);
      await fixture.put('odd', Object.fromEntries(odd) as Record<string, string>);
      expect((await read('odd')).data).toEqual(Object.fromEntries(odd));
    });

    it('returns not found for a secret that never existed', async () => {
      expect((await failureOf(read('never/there'))).code).toBe('ERR_NOT_FOUND');
    });

    it('returns not found for a deleted secret', async () => {
      await fixture.put('gone', { key: 'value' });
      await fixture.remove('gone');
      expect((await failureOf(read('gone'))).code).toBe('ERR_NOT_FOUND');
    });

    it('reads the new value after a change, under a new version if it has versions', async () => {
      await fixture.put('changing', { key: 'one' });
      const before = await read('changing');
      await fixture.put('changing', { key: 'two' });
      const after = await read('changing');
      expect(after.data).toEqual({ key: 'two' });
      if (gaps.unversioned === true) expect([before.version, after.version]).toEqual(['', '']);
      else expect(after.version).not.toBe(before.version);
    });

    it('reads the requested version, or returns not found', async () => {
      await fixture.put('versions', { key: 'one' });
      const first = await read('versions');
      await fixture.put('versions', { key: 'two' });
      if (gaps.unversioned === true || gaps.onlyCurrent === true) {
        const version = first.version === '' ? '1' : first.version;
        expect((await failureOf(read('versions', version))).code).toBe('ERR_NOT_FOUND');
      } else {
        expect(await read('versions', first.version)).toEqual(first);
      }
    });

    it.each(['0', '-1', '1e3', '01', '99999999999', '1&x=2', '../1', 'latest?'])(
      'returns not found for the version %s',
      async (version) => {
        await fixture.put('versioned', { key: 'value' });
        expect((await failureOf(read('versioned', version))).code).toBe('ERR_NOT_FOUND');
      },
    );

    it.each(['a/../b', '..', '.', 'a/./b', 'a//b', '/a', 'a/', ''])(
      'refuses the invalid path “%s”',
      (path) => {
        expect(() => fixture.provider.locate(path)).toThrow(
          expect.objectContaining({ code: 'ERR_PATH_INVALID' }),
        );
      },
    );

    it.each(['a?x=1', 'a#b', 'a%2fb', 'a%2e%2e', '%2e%2e', 'a;b', 'a b', 'a&b', 'sys\\policies'])(
      'treats “%s” as one name, or refuses it',
      async (path) => {
        let locator;
        try {
          locator = fixture.provider.locate(path);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_PATH_INVALID' });
          return;
        }
        expect(locator.startsWith(fixture.provider.covers)).toBe(true);
        expect(locator.slice(fixture.provider.covers.length)).not.toMatch(/[?#/\\ ]/);
        const error = await failureOf(fixture.provider.read(locator, undefined, contextOf()));
        expect(error.code).toBe('ERR_NOT_FOUND');
      },
    );

    it('reads every name that the broker allows', async () => {
      const names = ['A.b_c-d', 'x+y=z@example.com', '...', 'UPPER', 'under_score'];
      for (const path of names) {
        if (gaps.refusedNames?.some((part) => path.includes(part)) === true) {
          expect(() => fixture.provider.locate(path)).toThrow(
            expect.objectContaining({ code: 'ERR_PATH_INVALID' }),
          );
          continue;
        }
        await fixture.put(path, { name: path });
        expect((await read(path)).data).toEqual({ name: path });
      }
    });

    it('locates each name once, within its scope', () => {
      const { provider } = fixture;
      const locators = ['a', 'b', 'a/b'].map((path) => {
        try {
          return provider.locate(path);
        } catch {
          return path;
        }
      });
      expect(new Set(locators).size).toBe(3);
      expect(provider.locate('a').startsWith(provider.covers)).toBe(true);
    });

    it('refuses a reference of another kind', () => {
      for (const ref of [7, 'text', [], { unknown: true }, { path: '../x' }]) {
        expect(() => fixture.provider.locate('a', ref)).toThrow(
          expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
        );
      }
    });

    it('lists all names in order, page by page, without a duplicate or a gap', async () => {
      const names = ['list/b', 'list/a', 'list/c/d', 'list/c/e', 'list/c-1', 'list/c', 'list/z'];
      const kept = names.map(at).filter((path) => isNameable(fixture.provider, path));
      for (const path of kept) await fixture.put(path, { key: 'value' });
      const wanted = [...kept].sort();
      for (const limit of [1, 2, 3, 100]) {
        const listed = await listAll(fixture.provider, flat ? '' : 'list', limit);
        expect(listed.filter((path) => path.startsWith(at('list/')))).toEqual(wanted);
      }
    });

    it('lists everything below an empty prefix and nothing below an absent one', async () => {
      await fixture.put('somewhere', { key: 'value' });
      expect(await listAll(fixture.provider, '', 50)).toContain('somewhere');
      expect(await listAll(fixture.provider, 'nowhere/at/all', 50)).toEqual([]);
    });

    it('aborts with its caller', async () => {
      const provider = fixture.silent ?? fixture.provider;
      const signal = fixture.silent === undefined ? AbortSignal.abort() : AbortSignal.timeout(200);
      const locator = provider.locate('payments/db');
      const error = await failureOf(provider.read(locator, undefined, contextOf(signal)));
      expect(error.code).toBe('ERR_PROVIDER_TIMEOUT');
    });

    it('reports it when the backend refuses the broker', async () => {
      if (fixture.denied === undefined) {
        expectOwnStore(fixture);
        return;
      }
      const locator = fixture.denied.locate('payments/db');
      const error = await failureOf(fixture.denied.read(locator, undefined, contextOf()));
      expect(error.code).toBe('ERR_PROVIDER_DENIED');
      expect(error.detail ?? '').not.toMatch(/permission denied|AccessDenied|forbidden/);
    });

    it('reports a healthy mount, and the problem of an unhealthy one', async () => {
      const report = await fixture.provider.check(contextOf());
      expect(report).toMatchObject({ healthy: true });
      expect(report.findings.length).toBeGreaterThan(0);
      if (fixture.denied === undefined) {
        expectOwnStore(fixture);
        return;
      }
      const broken = await fixture.denied.check(contextOf());
      expect(broken.healthy).toBe(false);
      expect(broken.findings.join('\n')).not.toBe('');
    });
  });
}

/** Expects secrets in the embedded store: only such a provider has no backend that could refuse the broker. */
function expectOwnStore({ provider }: ProviderFixture): void {
  expect(provider.writes).toBeDefined();
}

function isNameable(provider: SecretProvider, path: string): boolean {
  try {
    provider.locate(path);
    return true;
  } catch {
    return false;
  }
}

async function listAll(provider: SecretProvider, prefix: string, limit: number): Promise<string[]> {
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await provider.list(prefix, { limit, after }, contextOf());
    expect(page.items.length).toBeLessThanOrEqual(limit);
    names.push(...page.items.map((item: SecretListing) => item.name));
    after = page.next;
  } while (after !== undefined);
  return names;
}
