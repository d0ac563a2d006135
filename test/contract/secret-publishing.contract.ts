import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { SecretProvider } from '../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

/** One backend, set up for values of rotations. Names are paths below the mount. */
export interface PublishingFixture {
  readonly provider: SecretProvider;
  /** Another connection to the same place, like that of a restarted broker. */
  readonly other: SecretProvider;
  /** May read and not write; absent only if there is no backend. */
  readonly denied?: SecretProvider;
  /** Stores a secret at the backend as its owner would. */
  put(name: string, data: SecretData): Promise<void>;
  /** The number of its versions, or of its distinguishable writes; undefined without either. */
  written(name: string): Promise<number | undefined>;
  /** Commits the result of `publish` as a part of a plan; absent if it writes by itself. */
  commit?(published: Awaited<ReturnType<Publish>>): Promise<void>;
  /** Runs `work` with a provider that gets no answer to its writes; absent without answers. */
  unheard?(work: (provider: SecretProvider) => Promise<void>): Promise<void>;
  /** Runs `work` with a provider before whose first write `meanwhile` happens; absent if writes are parts of plans. */
  overtaken?(
    meanwhile: () => Promise<void>,
    work: (provider: SecretProvider) => Promise<void>,
  ): Promise<void>;
  close(): Promise<void>;
}

type Publish = NonNullable<SecretProvider['publishing']>['publish'];

/** Limits of a backend; the suite asserts each of them. */
export interface PublishingGaps {
  /** `version` is ''. */
  readonly unversioned?: true;
  /** The first publication creates an absent secret. */
  readonly createsMissing?: true;
  /** Gap: there is no compare-and-set; concurrent writes are overwritten without notice. */
  readonly lastWins?: true;
  /** Values are text only. */
  readonly textOnly?: true;
  /** Bytes only in a secret of one key, `value`. */
  readonly bytesAlone?: true;
  /** Keys that others added stay. */
  readonly keepsOthers?: true;
}

const OLD: SecretData = { username: 'app', password: 'old-0123456789' };
const NEW: SecretData = { username: 'app', password: `new-'"\\$$ ключ🔑 {}` };

let names = 0;

const oneMore = (count: number | undefined): number | undefined =>
  count === undefined ? undefined : count + 1;

/** The contract of every place that stores rotated values. `make` runs once. */
export function secretPublishingContract(
  name: string,
  make: () => Promise<PublishingFixture>,
  gaps: PublishingGaps = {},
): void {
  describe(`${name} as a place for rotated values`, () => {
    let fixture: PublishingFixture;
    let secret: string;
    beforeAll(async () => {
      fixture = await make();
    });
    beforeEach(() => {
      names += 1;
      secret = `rotated-${names}`;
    });
    afterAll(() => fixture.close());

    const publishBy = async (
      provider: SecretProvider,
      data: SecretData,
      token = `rot_${secret}`,
      context = contextOf(),
    ): Promise<string> => {
      const locator = provider.locate(secret);
      const published = await provider.publishing!.publish(locator, data, token, context);
      await fixture.commit?.(published);
      return published.version;
    };
    const publish = (data: SecretData, token?: string): Promise<string> =>
      publishBy(fixture.provider, data, token);
    const read = () => fixture.other.read(fixture.other.locate(secret), undefined, contextOf());

    it('makes the value current, under the reported version', async () => {
      await fixture.put(secret, OLD);
      const version = await publish(NEW);
      expect(await read()).toMatchObject({ data: NEW, version });
      expect(version === '').toBe(gaps.unversioned === true);
    });

    it('makes no second version for the same rotation, also in another process', async () => {
      await fixture.put(secret, OLD);
      const version = await publish(NEW);
      const written = await fixture.written(secret);
      expect(await publish(NEW)).toBe(version);
      expect(await publishBy(fixture.other, NEW)).toBe(version);
      expect(await fixture.written(secret)).toBe(written);
    });

    it('writes a version after concurrent writes of others', async () => {
      await fixture.put(secret, OLD);
      await publish(NEW);
      await fixture.put(secret, { ...OLD, password: 'by hand' });
      const version = await publish(NEW);
      expect(await read()).toMatchObject({ data: NEW, version });
    });

    it('restores the value before, and the new one again', async () => {
      await fixture.put(secret, OLD);
      await publish(NEW);
      await publish(OLD);
      expect((await read()).data).toEqual(OLD);
      await publish(NEW);
      expect((await read()).data).toEqual(NEW);
    });

    it('changes the existing keys', async () => {
      await fixture.put(secret, { ...OLD, note: 'gone' });
      await publish({ ...NEW, added: '1' });
      const kept = gaps.keepsOthers === true ? { note: 'gone' } : {};
      expect((await read()).data).toEqual({ ...NEW, added: '1', ...kept });
    });

    it('stores bytes, or reports that it cannot', async () => {
      const bytes = { base64: 'AAH/gA==' };
      const data: SecretData =
        gaps.bytesAlone === true ? { value: bytes } : { ...NEW, blob: bytes };
      if (gaps.textOnly === true) {
        await fixture.put(secret, OLD);
        expect(await failureOf(publish(data))).toMatchObject({ code: 'ERR_CONFLICT' });
        expect((await read()).data).toEqual(OLD);
        return;
      }
      await fixture.put(secret, gaps.bytesAlone === true ? { value: { base64: '/w==' } } : OLD);
      await publish(data);
      expect((await read()).data).toEqual(data);
      const written = await fixture.written(secret);
      await publish(data);
      expect(await fixture.written(secret)).toBe(written);
    });

    it(`${gaps.createsMissing === true ? 'creates' : 'does not create'} an absent secret`, async () => {
      if (gaps.createsMissing === true) {
        await publish(NEW);
        expect((await read()).data).toEqual(NEW);
        return;
      }
      expect(await failureOf(publish(NEW))).toMatchObject({ code: 'ERR_NOT_FOUND' });
    });

    it('makes one version when two processes publish for the same rotation at once', async () => {
      await fixture.put(secret, OLD);
      if (fixture.commit !== undefined) return;
      const before = await fixture.written(secret);
      const versions = await Promise.all([publish(NEW), publishBy(fixture.other, NEW)]);
      expect((await read()).data).toEqual(NEW);
      if (gaps.lastWins === true) return;
      expect(versions[0]).toBe(versions[1]);
      expect(await fixture.written(secret)).toBe(oneMore(before));
    });

    it('changes nothing for a caller that disconnected', async () => {
      await fixture.put(secret, OLD);
      const gone = contextOf(AbortSignal.abort());
      const error = await failureOf(publishBy(fixture.provider, NEW, 'rot_gone', gone));
      expect(error.code).toBe('ERR_PROVIDER_TIMEOUT');
      expect((await read()).data).toEqual(OLD);
    });

    it('makes one version when the answer of the first attempt was lost', async () => {
      await fixture.put(secret, OLD);
      const before = await fixture.written(secret);
      await fixture.unheard?.(async (provider) => {
        const error = await failureOf(publishBy(provider, NEW));
        expect(error.code).toMatch(/^ERR_PROVIDER_/);
        expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(NEW['password']);
        expect((await read()).data).toEqual(NEW);
      });
      await publish(NEW);
      expect(await fixture.written(secret)).toBe(oneMore(before));
    });

    it('writes a version after a write of another between its own read and write', async () => {
      await fixture.put(secret, OLD);
      // The key that stays the same has changed by then too.
      const meanwhile = () => fixture.put(secret, { username: 'other', password: 'by hand' });
      await fixture.overtaken?.(meanwhile, async (provider) => {
        await publishBy(provider, NEW);
      });
      if (fixture.overtaken === undefined) await publish(NEW);
      expect((await read()).data).toEqual(NEW);
    });

    it('reports it when the backend refuses the write, and repeats no value', async () => {
      await fixture.put(secret, OLD);
      if (fixture.denied === undefined) return;
      const error = await failureOf(publishBy(fixture.denied, NEW));
      expect(error.code).toBe('ERR_PROVIDER_DENIED');
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(NEW['password']);
      expect((await read()).data).toEqual(OLD);
    });
  });
}
