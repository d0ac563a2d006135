import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateRootKey, unwrapRootKey, wrapRootKey } from '../../src/crypto/keys/root-keys.ts';
import type { CallContext } from '../../src/ports/call-context.ts';
import type { KeyEncryptionKey } from '../../src/ports/key-encryption-key.ts';

/** The parameters of an adapter for the suite. */
export interface KeyEncryptionKeyFixture {
  readonly kek: KeyEncryptionKey;
  /** The same key, as another process opens it after a restart. */
  readonly reopened: KeyEncryptionKey;
  /** Another key of the same kind. */
  readonly other: KeyEncryptionKey;
  /** The kind with an unreachable server; or why it cannot be unreachable. */
  readonly unreachable: KeyEncryptionKey | 'held in memory';
  readonly close?: () => Promise<void>;
}

const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7));
const data = Buffer.from('associated data');
const INVALID = { code: 'ERR_CIPHERTEXT_INVALID' };

function contextFor(signal = AbortSignal.timeout(60_000)): CallContext {
  return { requestId: 'req_contract', signal };
}

/** The contract that broker and crypto rely on in a key-encryption key; every adapter runs it. */
export function keyEncryptionKeyContract(
  name: string,
  make: () => Promise<KeyEncryptionKeyFixture>,
): void {
  describe(`the key-encryption key ${name}`, () => {
    let fixture: KeyEncryptionKeyFixture;
    let wrapped: Uint8Array;

    beforeAll(async () => {
      fixture = await make();
      wrapped = await fixture.kek.wrap(key, data, contextFor());
    });
    afterAll(async () => {
      await fixture.close?.();
    });

    it('has an id that names its kind and its key, and stays the same', () => {
      expect(fixture.kek.id).toMatch(new RegExp(`^${name}:[!-~]+$`));
      expect(fixture.reopened.id).toBe(fixture.kek.id);
      expect(fixture.other.id).not.toBe(fixture.kek.id);
    });

    it('unwraps what it wrapped, also after being opened again', async () => {
      expect(Buffer.from(await fixture.kek.unwrap(wrapped, data, contextFor())).equals(key)).toBe(
        true,
      );
      expect(
        Buffer.from(await fixture.reopened.unwrap(wrapped, data, contextFor())).equals(key),
      ).toBe(true);
    });

    it("wraps one key differently each time, and does not change the caller's bytes", async () => {
      const given = Buffer.from(key);
      const again = await fixture.kek.wrap(given, data, contextFor());
      expect(given.equals(key)).toBe(true);
      expect(Buffer.from(again).equals(wrapped)).toBe(false);
      expect(Buffer.from(again).includes(key)).toBe(false);
    });

    it('refuses other associated data', async () => {
      for (const wrong of [
        Buffer.from('associated dat'),
        Buffer.from('associated data '),
        Buffer.of(0),
      ]) {
        await expect(fixture.kek.unwrap(wrapped, wrong, contextFor())).rejects.toMatchObject(
          INVALID,
        );
      }
    });

    it('refuses a key that another key wrapped', async () => {
      await expect(fixture.other.unwrap(wrapped, data, contextFor())).rejects.toMatchObject(
        INVALID,
      );
    });

    it('refuses a change of any byte', async () => {
      for (let i = 0; i < wrapped.length; i++) {
        const changed = Uint8Array.from(wrapped, (byte, at) => (at === i ? byte ^ 1 : byte));
        await expect(fixture.kek.unwrap(changed, data, contextFor())).rejects.toMatchObject(
          INVALID,
        );
      }
    });

    it('refuses truncated, extended and empty bytes', async () => {
      const longer = Buffer.concat([wrapped, Buffer.of(0)]);
      for (const wrong of [
        wrapped.slice(0, -1),
        wrapped.slice(0, -4),
        wrapped.slice(0, 5),
        new Uint8Array(),
        longer,
      ]) {
        await expect(fixture.kek.unwrap(wrong, data, contextFor())).rejects.toMatchObject(INVALID);
      }
    });

    it('gives one fixed error for every reason', async () => {
      const failures = await Promise.all(
        [
          fixture.kek.unwrap(wrapped, Buffer.from('other'), contextFor()),
          fixture.kek.unwrap(wrapped.slice(0, -1), data, contextFor()),
          fixture.other.unwrap(wrapped, data, contextFor()),
        ].map((attempt) =>
          attempt.then(
            () => 'unwrapped',
            (error: unknown) => String(error),
          ),
        ),
      );
      expect(new Set(failures).size).toBe(1);
    });

    it('wraps a root key for crypto/root-keys', async () => {
      const rootKey = generateRootKey();
      const scope = { kek: fixture.kek, installation: 'in_contract', context: contextFor() };
      const record = await wrapRootKey(rootKey, scope);
      const opened = await unwrapRootKey(record, { ...scope, kek: fixture.reopened });
      expect(opened.keyFor('rowMac').equals(rootKey.keyFor('rowMac'))).toBe(true);
      await expect(
        unwrapRootKey(record, { ...scope, installation: 'in_other' }),
      ).rejects.toMatchObject(INVALID);
      await expect(unwrapRootKey(record, { ...scope, kek: fixture.other })).rejects.toMatchObject(
        INVALID,
      );
    });

    it('is sealed, not invalid, while its server is unreachable; or it has no server', async () => {
      const { unreachable } = fixture;
      if (unreachable === 'held in memory') {
        const aborted = contextFor(AbortSignal.abort());
        expect(Buffer.from(await fixture.kek.unwrap(wrapped, data, aborted)).equals(key)).toBe(
          true,
        );
        return;
      }
      await expect(unreachable.wrap(key, data, contextFor())).rejects.toMatchObject({
        code: 'ERR_SEALED',
      });
      await expect(unreachable.unwrap(wrapped, data, contextFor())).rejects.toMatchObject({
        code: 'ERR_SEALED',
      });
      const aborted = contextFor(AbortSignal.abort());
      await expect(fixture.kek.unwrap(wrapped, data, aborted)).rejects.toMatchObject({
        code: 'ERR_SEALED',
      });
    });
  });
}
