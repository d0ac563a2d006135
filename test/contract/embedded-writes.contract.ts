import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CONTEXT,
  openEmbedded,
  type Embedded,
  type MakeStore,
} from '../kit/providers/embedded-fixture.ts';
import { listRows } from '../kit/store/table-rows.ts';

const code = (name: string): object => expect.objectContaining({ code: name });

/** Versions, conditions and deletion of the embedded provider on every store. */
export function embeddedWritesContract(store: string, makeStore: MakeStore): void {
  describe(`secrets in the embedded store, on ${store}`, () => {
    let embedded: Embedded;

    beforeEach(async () => {
      embedded = await openEmbedded(makeStore, { keepVersions: 3 });
    });
    afterEach(() => embedded.close());

    it('reads a stored value, with its version and time', async () => {
      expect(await embedded.put('app/db', { user: 'a', password: 'p' })).toBe('1');
      const read = await embedded.provider.read('app/db', undefined, CONTEXT);
      expect(read).toEqual({
        data: { password: 'p', user: 'a' },
        version: '1',
        createdAt: embedded.clock.now(),
      });
    });

    it('keeps the plaintext out of every row', async () => {
      await embedded.put('app/db', { password: 'canary-value-7f3a' });
      const rows = [
        ...(await embedded.rows('secrets')),
        ...(await embedded.rows('secret_versions')),
      ];
      const bytes = rows
        .flatMap((row) => Object.values(row))
        .map((value) =>
          Buffer.from(value instanceof Uint8Array ? value : String(value)).toString('latin1'),
        );
      expect(bytes.join('\n')).not.toContain('canary-value-7f3a');
    });

    it('numbers versions from one and reads an older one by its number', async () => {
      await embedded.put('app/db', { v: 'one' });
      expect(await embedded.put('app/db', { v: 'two' })).toBe('2');
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
      expect(await embedded.value('app/db', '1')).toEqual({ v: 'one' });
    });

    it.each(['0', '3', '01', '1.0', '-1', 'x', '', '9999999999999999'])(
      'returns not found for version %p',
      async (version) => {
        await embedded.put('app/db', { v: 'one' });
        await expect(embedded.value('app/db', version)).rejects.toEqual(code('ERR_NOT_FOUND'));
      },
    );

    it('creates only an absent secret if requested', async () => {
      await embedded.put('app/db', { v: 'one' }, 'absent');
      await expect(embedded.put('app/db', { v: 'two' }, 'absent')).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      expect(await embedded.value('app/db')).toEqual({ v: 'one' });
    });

    it('replaces only the version in the precondition', async () => {
      await embedded.put('app/db', { v: 'one' });
      await expect(embedded.put('app/db', { v: 'x' }, '2')).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      expect(await embedded.put('app/db', { v: 'two' }, '1')).toBe('2');
    });

    it('lets one of two simultaneous writes commit, and the other conflict', async () => {
      await embedded.put('app/db', { v: 'one' });
      const first = await embedded.writes.put('app/db', { v: 'a' }, '1', {
        author: 'x',
        method: 'put',
      });
      const second = await embedded.writes.put('app/db', { v: 'b' }, '1', {
        author: 'x',
        method: 'put',
      });
      const outcomes = await Promise.all([
        embedded.store.commit(first.fragment),
        embedded.store.commit(second.fragment),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'conflict']);
      expect(await embedded.value('app/db')).toEqual({ v: 'a' });
    });

    it('does not delete a version written after the deletion was staged', async () => {
      await embedded.put('app/db', { v: 'one' });
      const staged = await embedded.writes.destroy('app/db', undefined, undefined);
      await embedded.put('app/db', { v: 'two' });
      expect((await embedded.store.commit(staged.fragment)).status).toBe('conflict');
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
    });

    it('lets one of two creations commit', async () => {
      const both = await Promise.all(
        ['a', 'b'].map((v) =>
          embedded.writes.put('app/new', { v }, undefined, { author: 'x', method: 'put' }),
        ),
      );
      const outcomes = await Promise.all(
        both.map(({ fragment }) => embedded.store.commit(fragment)),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'conflict']);
    });

    it('names the secret as the invalidated key', async () => {
      const staged = await embedded.writes.put('app/db', { v: 'one' }, undefined, {
        author: 'x',
        method: 'put',
      });
      expect(staged.fragment.invalidates).toEqual(['secret:app/db']);
    });

    it('destroys the data keys of versions beyond its limit', async () => {
      for (const v of ['1', '2', '3', '4']) await embedded.put('app/db', { v });
      await expect(embedded.value('app/db', '1')).rejects.toEqual(code('ERR_NOT_FOUND'));
      expect(await embedded.value('app/db', '2')).toEqual({ v: '2' });
      const [oldest] = (await listRows(embedded.store, 'secret_versions', {
        orderBy: ['version'],
        limit: 1,
      })) as readonly { wrapped_dek: unknown; ciphertext: unknown }[];
      expect(oldest).toMatchObject({ wrapped_dek: null, ciphertext: null });
    });

    it('keeps at most a hundred rows of history', async () => {
      for (let at = 1; at <= 105; at++) await embedded.put('app/db', { v: String(at) });
      const versions = await embedded.writes.versions('app/db');
      expect(versions).toHaveLength(100);
      expect(await embedded.rows('secret_versions')).toHaveLength(100);
      expect(versions.map(({ state }) => state).slice(0, 4)).toEqual([
        'current',
        'previous',
        'previous',
        'destroyed',
      ]);
    });

    it('deletes a whole secret: no version is readable, every key is destroyed, its history stays', async () => {
      await embedded.put('app/db', { v: 'one' });
      await embedded.put('app/db', { v: 'two' });
      embedded.clock.advance(1000);
      const staged = await embedded.writes.destroy('app/db', undefined, '2');
      expect(staged.version).toBeUndefined();
      await embedded.store.commit(staged.fragment);
      for (const version of [undefined, '1', '2']) {
        await expect(embedded.value('app/db', version)).rejects.toEqual(code('ERR_NOT_FOUND'));
      }
      const versions = await embedded.writes.versions('app/db');
      expect(versions.map(({ version, state }) => [version, state])).toEqual([
        ['2', 'destroyed'],
        ['1', 'destroyed'],
      ]);
      expect(versions[0]).toMatchObject({
        createdBy: 'operator:ann',
        destroyedAt: embedded.clock.now(),
      });
      const rows = (await embedded.rows('secret_versions')) as readonly { wrapped_dek: unknown }[];
      expect(rows.every((row) => row.wrapped_dek === null)).toBe(true);
    });

    it('never reuses a version number, also after delete and create', async () => {
      await embedded.put('app/db', { v: 'one' });
      await embedded.commit(embedded.writes.destroy('app/db', undefined, undefined));
      expect(await embedded.put('app/db', { v: 'two' }, 'absent')).toBe('2');
      await expect(embedded.value('app/db', '1')).rejects.toEqual(code('ERR_NOT_FOUND'));
    });

    it('destroys a named version and leaves the rest', async () => {
      await embedded.put('app/db', { v: 'one' });
      await embedded.put('app/db', { v: 'two' });
      const staged = await embedded.writes.destroy('app/db', ['1'], undefined);
      expect(staged.version).toBe('2');
      await embedded.store.commit(staged.fragment);
      await expect(embedded.value('app/db', '1')).rejects.toEqual(code('ERR_NOT_FOUND'));
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
    });

    it('has no current version once that one is destroyed, and never falls back to an older value', async () => {
      await embedded.put('app/db', { v: 'one' });
      await embedded.put('app/db', { v: 'two' });
      await embedded.commit(embedded.writes.destroy('app/db', ['2'], undefined));
      await expect(embedded.value('app/db')).rejects.toEqual(code('ERR_NOT_FOUND'));
      expect(await embedded.value('app/db', '1')).toEqual({ v: 'one' });
    });

    it('destroys nothing when one of the named versions is absent', async () => {
      await embedded.put('app/db', { v: 'one' });
      for (const versions of [['1', '2'], ['x'], []]) {
        await expect(embedded.writes.destroy('app/db', versions, undefined)).rejects.toEqual(
          code('ERR_NOT_FOUND'),
        );
      }
    });

    it('deletes only the version in the precondition, and each version once', async () => {
      await embedded.put('app/db', { v: 'one' });
      await expect(embedded.writes.destroy('app/db', undefined, '2')).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      await embedded.commit(embedded.writes.destroy('app/db', undefined, '1'));
      await expect(embedded.writes.destroy('app/db', undefined, undefined)).rejects.toEqual(
        code('ERR_NOT_FOUND'),
      );
      await expect(embedded.writes.destroy('app/none', undefined, undefined)).rejects.toEqual(
        code('ERR_NOT_FOUND'),
      );
      await expect(embedded.writes.versions('app/none')).rejects.toEqual(code('ERR_NOT_FOUND'));
    });

    it('refuses a value without keys, with over 256, or over 1 MiB', async () => {
      const many = Object.fromEntries(
        Array.from({ length: 257 }, (_, at) => [`k${String(at)}`, 'v']),
      );
      await expect(embedded.put('app/db', {})).rejects.toEqual(code('ERR_BODY_INVALID'));
      await expect(embedded.put('app/db', many)).rejects.toEqual(code('ERR_BODY_INVALID'));
      await expect(embedded.put('app/db', { v: 'x'.repeat(1_048_576) })).rejects.toEqual(
        code('ERR_BODY_TOO_LARGE'),
      );
    });

    it('opens old versions after the root key was replaced, and seals new ones under the new root', async () => {
      await embedded.put('app/db', { v: 'one' });
      const { generateRootKey } = await import('../../src/crypto/keys/root-keys.ts');
      const older = [embedded.keyring.active];
      embedded.keyring.replace({ active: generateRootKey(), older });
      expect(await embedded.value('app/db')).toEqual({ v: 'one' });
      await embedded.put('app/db', { v: 'two' });
      const rows = (await embedded.rows('secret_versions')) as readonly { root_key_id: string }[];
      expect(rows.at(-1)?.root_key_id).toBe(embedded.keyring.active.id);
      expect(await embedded.value('app/db', '1')).toEqual({ v: 'one' });
    });

    it('locates a secret at its own path, and refuses a reference', () => {
      expect(embedded.provider.covers).toBe('app/');
      expect(embedded.provider.locate('a/b')).toBe('app/a/b');
      expect(() => embedded.provider.locate('a', { path: 'x' })).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    });

    it.each([
      '',
      '/',
      'a//b',
      '../x',
      'a/..',
      'a/./b',
      '%2e%2e/x',
      'a?x',
      'a#x',
      'a\u0000b',
      'a\\b',
      'x'.repeat(512),
    ])('refuses the name %p', (rest) => {
      expect(() => embedded.provider.locate(rest)).toThrow(
        expect.objectContaining({ code: 'ERR_PATH_INVALID' }),
      );
    });

    it.each([
      { prefix: 'app', root: 'x' },
      { prefix: '../app' },
      {},
      null,
      { prefix: 'app', keepVersions: 0 },
    ])('refuses the mount options %j, with the place of the problem', (options) => {
      expect(() => embedded.mount(options)).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    });

    it('reads nothing outside its mount', async () => {
      const other = embedded.mount({ prefix: 'other' });
      await embedded.put('app/db', { v: 'one' });
      await expect(other.read('app/db', undefined, CONTEXT)).rejects.toEqual(code('ERR_NOT_FOUND'));
    });

    it('lists live secrets below a prefix in path order, page by page', async () => {
      for (const path of ['app/b', 'app/a/y', 'app/a/x', 'app/ab', 'app/gone'])
        await embedded.put(path, { v: '1' });
      await embedded.commit(embedded.writes.destroy('app/gone', undefined, undefined));
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await embedded.provider.list('', { after, limit: 2 }, CONTEXT);
        seen.push(...page.items.map(({ name, version }) => `${name}@${String(version)}`));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(['a/x@1', 'a/y@1', 'ab@1', 'b@1']);
      const below = await embedded.provider.list('a', { limit: 10 }, CONTEXT);
      expect(below.items.map(({ name }) => name)).toEqual(['a/x', 'a/y']);
      await expect(embedded.provider.list('../x', { limit: 10 }, CONTEXT)).rejects.toEqual(
        code('ERR_PATH_INVALID'),
      );
    });
  });
}
