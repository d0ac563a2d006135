import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Workload } from '../../src/domain/identity/workload.ts';
import type { DynamicCredentials, SecretProvider } from '../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

/** One engine of dynamic credentials, and a way to inspect its credentials at the backend. */
export interface CredentialsFixture {
  readonly provider: SecretProvider;
  /** A new connection to the same backend, like that of a restarted broker. */
  restart(): Promise<SecretProvider>;
  /** The definition's reference and its path. */
  readonly path: string;
  readonly ref: unknown;
  /** Names of the credentials that are alive at the backend. */
  live(): Promise<readonly string[]>;
  /** Tests whether a credential works for its purpose. */
  works(data: Readonly<Record<string, unknown>>): Promise<boolean>;
  /** Repeats until `live` is as expected, or fails. */
  settled(expected: number): Promise<void>;
  close(): Promise<void>;
}

const workload: Workload = {
  cluster: 'east',
  namespace: 'payments',
  serviceAccount: 'api',
  serviceAccountUid: '6f0b7f4e-6d5c-4c0e-9a70-2f9c0f2b9f01',
  pod: { name: 'api-1', uid: '0c1b9f6e-3b1f-4f3e-8b5a-0d6c2d5f7a11' },
};

let intents = 0;

/** Limits of an engine; the suite asserts each of them. */
export interface CredentialsGaps {
  /** The expiry of a credential cannot be extended. */
  readonly notRenewable?: true;
  /** The handle holds all data for the issue, so that another process may continue. */
  readonly resumable?: true;
  /** The backend cannot revoke or list: a credential works until it expires. */
  readonly expiresOnly?: true;
}

/** The required behaviour of every engine: no credential outlives its committed record, or else its own expiry. */
export function dynamicCredentialsContract(
  name: string,
  make: () => Promise<CredentialsFixture>,
  gaps: CredentialsGaps = {},
): void {
  describe(`${name} as an engine of dynamic credentials`, () => {
    let fixture: CredentialsFixture;
    let credentials: DynamicCredentials;
    const expiresOnly = gaps.expiresOnly === true;
    beforeAll(async () => {
      fixture = await make();
      credentials = fixture.provider.credentials!;
    });
    afterAll(() => fixture.close());

    const begin = (ttlSeconds = 300): string => {
      intents += 1;
      return credentials.begin({
        intentId: `int_contract_${intents}`,
        locator: fixture.provider.locate(fixture.path, fixture.ref),
        workload,
        ttlSeconds,
        ref: fixture.ref,
      });
    };

    it('issues a working credential, reports its expiry, and revokes it', async () => {
      const prepared = await credentials.prepare(begin(), contextOf());
      const issued = await credentials.issue(prepared, contextOf());
      expect(credentials.revocation).toBe(expiresOnly ? 'expires-only' : 'revocable');
      expect(issued.ttlSeconds).toBeGreaterThan(0);
      // A credential that is not revoked reports its actual expiry, even if that is later than requested.
      expect(issued.ttlSeconds).toBeLessThanOrEqual(expiresOnly ? 900 : 300);
      expect(await fixture.works(issued.data)).toBe(true);
      expect(await fixture.live()).toHaveLength(expiresOnly ? 0 : 1);
      await credentials.revoke(issued.handle, contextOf());
      await fixture.settled(0);
      expect(await fixture.works(issued.data)).toBe(expiresOnly);
    });

    it('stores no secret in a handle', async () => {
      const handles = [begin()];
      handles.push(await credentials.prepare(handles[0]!, contextOf()));
      const issued = await credentials.issue(handles[1]!, contextOf());
      handles.push(issued.handle);
      await credentials.revoke(issued.handle, contextOf());
      const text = handles.join('\n');
      expect(text).not.toMatch(/\b(?:s|hvs|b|hvb)\.[A-Za-z0-9]{8}/);
      for (const value of Object.values(issued.data)) expect(text).not.toContain(value);
      for (const handle of handles) expect(() => JSON.parse(handle) as unknown).not.toThrow();
    });

    it('extends a credential, and never beyond the request', async () => {
      const issued = await credentials.issue(
        await credentials.prepare(begin(60), contextOf()),
        contextOf(),
      );
      expect(issued.renewable).toBe(gaps.notRenewable !== true);
      if (gaps.notRenewable === true) {
        const error = await failureOf(credentials.renew(issued.handle, 240, contextOf()));
        expect(error.code).toBe('ERR_CONFLICT');
      } else {
        const granted = await credentials.renew(issued.handle, 240, contextOf());
        expect(granted).toBeGreaterThan(60);
        expect(granted).toBeLessThanOrEqual(240);
      }
      await credentials.revoke(issued.handle, contextOf());
      await fixture.settled(0);
    });

    it('revokes twice without an error, and does not extend a revoked one', async () => {
      const issued = await credentials.issue(
        await credentials.prepare(begin(), contextOf()),
        contextOf(),
      );
      await credentials.revoke(issued.handle, contextOf());
      await credentials.revoke(issued.handle, contextOf());
      expect((await failureOf(credentials.renew(issued.handle, 60, contextOf()))).code).toBe(
        gaps.notRenewable === true ? 'ERR_CONFLICT' : 'ERR_NOT_FOUND',
      );
      await fixture.settled(0);
    });

    it('leaves nothing when revoked before prepare', async () => {
      const handle = begin();
      await revokeAfterRestart(fixture, handle);
      await fixture.settled(0);
    });

    it('leaves nothing when revoked after prepare, before the commit of it', async () => {
      const handle = begin();
      await credentials.prepare(handle, contextOf());
      await revokeAfterRestart(fixture, handle);
      await fixture.settled(0);
    });

    it('leaves nothing when revoked after prepare', async () => {
      const prepared = await credentials.prepare(begin(), contextOf());
      await revokeAfterRestart(fixture, prepared);
      await fixture.settled(0);
      if (expiresOnly) return;
      expect((await failureOf(credentials.issue(prepared, contextOf()))).kind).toMatch(
        /upstream|unavailable|not_found/,
      );
      await fixture.settled(0);
    });

    it('leaves nothing when revoked after issue, before the commit of it', async () => {
      const prepared = await credentials.prepare(begin(), contextOf());
      const issued = await credentials.issue(prepared, contextOf());
      await revokeAfterRestart(fixture, prepared);
      await fixture.settled(0);
      expect(await fixture.works(issued.data)).toBe(expiresOnly);
    });

    it('issues what another process prepared only if the handle holds all data', async () => {
      const prepared = await credentials.prepare(begin(), contextOf());
      const other = (await fixture.restart()).credentials!;
      if (gaps.resumable === true) {
        expect(await fixture.works((await other.issue(prepared, contextOf())).data)).toBe(true);
      } else {
        const error = await failureOf(other.issue(prepared, contextOf()));
        expect(error.code).toBe('ERR_PROVIDER_UNAVAILABLE');
      }
      await credentials.revoke(prepared, contextOf());
      await fixture.settled(0);
    });

    it('issues many at once and revokes each', async () => {
      const made = await Promise.all(
        Array.from({ length: 8 }, async () => {
          const prepared = await credentials.prepare(begin(), contextOf());
          return credentials.issue(prepared, contextOf());
        }),
      );
      expect(new Set(made.map((issued) => JSON.stringify(issued.data))).size).toBe(8);
      await fixture.settled(expiresOnly ? 0 : 8);
      await Promise.all(made.map((issued) => credentials.revoke(issued.handle, contextOf())));
      await fixture.settled(0);
    });

    it('refuses a foreign handle', async () => {
      for (const handle of ['', '{}', 'null', '{"v":2}']) {
        await expect(credentials.revoke(handle, contextOf())).rejects.toMatchObject({
          code: 'ERR_INTERNAL',
        });
      }
    });
  });
}

async function revokeAfterRestart(fixture: CredentialsFixture, handle: string): Promise<void> {
  const provider = await fixture.restart();
  await provider.credentials!.revoke(handle, contextOf());
}
