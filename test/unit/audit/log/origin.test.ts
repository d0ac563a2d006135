import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { manifestDigest, type Manifest } from '../../../../src/audit/records/export-format.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { logIdentity } from '../../../../src/audit/records/log-identity.ts';
import { nextIdentity, storedIdentity, writeOrigin } from '../../../../src/audit/log/log-origin.ts';
import { verifyExport, type VerifyReport } from '../../../../src/audit/proof/verify.ts';
import {
  openCheckpoint,
  openLogCheckpoint,
  signCheckpoint,
} from '../../../../src/crypto/log/checkpoint.ts';
import { signNote, verifierKeyText } from '../../../../src/crypto/log/signed-note.ts';
import { generateSigningKey, loadSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

const clock = new HandClock();
let bench: LogBench;
/** Log key before the store was unlocked, as an auditor keeps it. */
let logKey: string;
let early: string;
let late: string;

const at = (name: string): string => join(bench.directory, name);
const note = async (): Promise<string> => (await bench.checkpointFile.read()) ?? '';

async function exported(name: string): Promise<string> {
  await exportLog(storeSource(bench.store, bench.log), at(name));
  return at(name);
}

/** Puts the copy of the store back, which the log continued after. */
async function restore(): Promise<void> {
  await bench.stop();
  await rm(at('store'), { recursive: true });
  await cp(at('copy'), at('store'), { recursive: true });
  clock.advance(1_000);
  bench.log = logIdentity(bench.log.configured.origin, bench.log.signer.key);
  await bench.restart();
}

async function release(): Promise<void> {
  expect((await bench.integrator.start()).held).toBe('store_behind');
  clock.advance(1_000);
  await bench.release();
  await bench.integrate();
}

beforeEach(async () => {
  bench = await LogBench.open(clock);
  logKey = verifierKeyText(bench.log.origin, bench.log.signer.key.publicKey);
  for (let i = 0; i < 9; i++) await bench.record(...Array.from({ length: 30 }, () => ({})));
  await bench.integrate();
  early = await note();
  await bench.stop();
  await cp(at('store'), at('copy'), { recursive: true });
  clock.advance(1_000);
  await bench.restart();
  await bench.record({}, {}, {});
  await bench.integrate();
  late = await note();
});
afterEach(() => bench.remove());

const found = ({ findings }: VerifyReport): readonly string[] => findings.map(({ what }) => what);

describe('a released log', () => {
  it('opens a new origin, whose entry names the checkpoint that it continues and the one that it lost', async () => {
    await restore();
    await release();
    const { origin } = bench.log;
    expect(origin).toMatch(/^log\.example\/test\/\d{8}T\d{9}Z$/);
    const stored = await storedIdentity(
      bench.store,
      logIdentity(bench.log.configured.origin, bench.log.signer.key),
    );
    expect(stored.origin).toBe(origin);
    expect((await note()).split('\n')[0]).toBe(origin);
    const report = await verifyExport(await exported('new'));
    const { verifier } = bench.log.configured;
    const reference = (text: string): object => {
      const { origin: name, size, root } = openLogCheckpoint(text, verifier);
      return { origin: name, size, root: Buffer.from(root).toString('base64') };
    };
    expect(report.origins).toEqual([
      {
        index: expect.any(Number),
        link: { origin, previous: reference(early), abandoned: reference(late) },
      },
    ]);
  });

  it('verifies across the link with the key and a checkpoint of the earlier origin (F40)', async () => {
    await restore();
    await release();
    const directory = await exported('new');
    for (const externalCheckpoint of [early, await note()]) {
      const report = await verifyExport(directory, { externalCheckpoint, logKey });
      expect(report).toMatchObject({ holds: true, assurance: 'anchored' });
    }
  });

  it('does not verify with a checkpoint over the entries that it lost', async () => {
    await restore();
    await release();
    const directory = await exported('new');
    const report = await verifyExport(directory, { externalCheckpoint: late, logKey });
    expect(found(report)).toEqual(['tail_missing']);
    expect(report.findings[0]?.message).toContain('The log was restored');
    for (let i = 0; i < 9; i++) await bench.record({}, {}, {});
    await bench.integrate();
    const longer = await verifyExport(await exported('longer'), {
      externalCheckpoint: late,
      logKey,
    });
    expect(found(longer)).toEqual(['tail_missing']);
  });

  it('verifies across several links, and never opens an origin twice', async () => {
    await restore();
    await release();
    const first = bench.log.origin;
    const afterFirst = await note();
    await restore();
    await release();
    expect(bench.log.origin).not.toBe(first);
    const other = await verifyExport(await exported('second'), {
      externalCheckpoint: afterFirst,
      logKey,
    });
    expect(found(other)).toEqual(['other_history']);
    await bench.stop();
    await rm(at('copy'), { recursive: true });
    await cp(at('store'), at('copy'), { recursive: true });
    clock.advance(1_000);
    await bench.restart();
    await bench.record({});
    await bench.integrate();
    const second = bench.log;
    await bench.stop();
    await rm(at('store'), { recursive: true });
    await cp(at('copy'), at('store'), { recursive: true });
    clock.advance(1_000);
    bench.log = second;
    await bench.restart();
    await release();
    const report = await verifyExport(await exported('third'), {
      externalCheckpoint: early,
      logKey,
    });
    expect(report).toMatchObject({ holds: true, assurance: 'anchored' });
    expect(report.origins.map(({ link }) => link.origin)).toEqual([
      second.origin,
      bench.log.origin,
    ]);
  });
});

describe('the verification of an export', () => {
  /** Signs the export again, as the holder of the log key could. */
  async function resign(directory: string, origin: string): Promise<void> {
    const log = logIdentity(origin, bench.log.signer.key);
    const path = join(directory, 'checkpoint');
    const { size, root } = openLogCheckpoint(
      await readFile(path, 'utf8'),
      bench.log.configured.verifier,
    );
    await writeFile(path, signCheckpoint({ origin, size, root }, log.signer));
    const manifestPath = join(directory, 'manifest.json');
    const manifest = JSON.parse(await readFile(manifestPath, 'utf8')) as Manifest;
    const covered = {
      ...manifest,
      digest: undefined,
      origin,
      logKey: verifierKeyText(origin, log.signer.key.publicKey),
    };
    await writeFile(manifestPath, JSON.stringify({ ...covered, digest: manifestDigest(covered) }));
  }

  it('refuses a log that continues an origin that it closed', async () => {
    await restore();
    await release();
    const directory = await exported('new');
    await resign(directory, bench.log.configured.origin);
    const report = await verifyExport(directory, { externalCheckpoint: early, logKey });
    expect(found(report)).toEqual(['origin_mismatch']);
  });

  it('refuses a log whose origin no entry opened', async () => {
    const directory = await exported('old');
    await resign(directory, `${bench.log.origin}/later`);
    expect(found(await verifyExport(directory, { logKey }))).toEqual(['checkpoint_invalid']);
  });

  it('refuses a checkpoint of an origin that the log does not continue', async () => {
    await restore();
    await release();
    const { origin, signer } = nextIdentity(bench.log, clock.now() + 1);
    const { size, root } = openLogCheckpoint(early, bench.log.configured.verifier);
    const externalCheckpoint = signCheckpoint({ origin, size, root }, signer);
    const report = await verifyExport(await exported('new'), { externalCheckpoint, logKey });
    expect(found(report)).toEqual(['other_history']);
  });

  it('refuses a release that names another root than the entries have', async () => {
    await restore();
    expect((await bench.integrator.start()).held).toBe('store_behind');
    const next = nextIdentity(bench.log, clock.now());
    await bench.integrator.release(next, async (writes, link) => {
      const root = Buffer.alloc(32).toString('base64');
      await bench.recordRelease(writes, { ...link, previous: { ...link.previous, root } });
    });
    bench.log = next;
    await bench.integrate();
    const report = await verifyExport(await exported('new'), { logKey });
    expect(found(report)).toEqual(['origin_mismatch']);
  });
});

describe('a store with an origin in its row', () => {
  beforeEach(async () => {
    await restore();
    await release();
  });

  async function heldWith(value: string | undefined): Promise<string | undefined> {
    const key = { key: 'audit-origin' };
    await bench.store.commit({
      writes: [
        value === undefined
          ? { table: 'meta', remove: key }
          : { table: 'meta', put: { ...key, value } },
      ],
    });
    const configured = logIdentity(bench.log.configured.origin, bench.log.signer.key);
    bench.log = await storedIdentity(bench.store, configured);
    return (await bench.newIntegrator().start()).held;
  }

  it('is held if the row was deleted, or is not signed by the log key', async () => {
    expect(await heldWith(undefined)).toBe('log_damaged');
    const forged = logIdentity(bench.log.configured.origin, generateSigningKey());
    const { put } = writeOrigin(nextIdentity(forged, clock.now())) as { put: { value: string } };
    expect(await heldWith(put.value)).toBe('log_damaged');
  });

  it('is held if the row is another note of the log key', async () => {
    for (const text of ['quaymaster.dev/log-origin/v1\nother.example/log\n', 'x\ny\n']) {
      expect(await heldWith(signNote(text, bench.log.configured.signer))).toBe('log_damaged');
    }
    expect(await heldWith(early)).toBe('log_damaged');
  });
});

describe('the row with the origin', () => {
  const vector = JSON.parse(readFileSync('test/vectors/log-origin-v1.json', 'utf8')) as {
    readonly logKey: string;
    readonly configured: string;
    readonly now: number;
    readonly origin: string;
    readonly note: string;
    readonly checkpoint: string;
  };
  const configured = logIdentity(vector.configured, loadSigningKey(vector.logKey));

  it('is the note of the vector, byte for byte, and read back', async () => {
    const next = nextIdentity(configured, vector.now);
    expect(next.origin).toBe(vector.origin);
    expect(writeOrigin(next)).toEqual({
      table: 'meta',
      put: { key: 'audit-origin', value: vector.note },
    });
    const store = {
      get: () => Promise.resolve({ key: 'audit-origin', value: vector.note }),
    } as unknown as Store;
    expect((await storedIdentity(store, configured)).origin).toBe(vector.origin);
  });

  it('names the origin of checkpoints, which the configured key opens', () => {
    const { signer, verifier } = nextIdentity(configured, vector.now);
    const checkpoint = { origin: vector.origin, size: 5, root: new Uint8Array(32).fill(7) };
    expect(signCheckpoint(checkpoint, signer)).toBe(vector.checkpoint);
    expect(openCheckpoint(vector.checkpoint, vector.origin, [verifier]).size).toBe(5);
    expect(openLogCheckpoint(vector.checkpoint, configured.verifier).size).toBe(5);
  });

  it('does not open a checkpoint of another log whose name begins in the same way', () => {
    const other = logIdentity(vector.origin.replace('log/', 'log-2/'), configured.signer.key);
    const checkpoint = { origin: other.origin, size: 5, root: new Uint8Array(32) };
    const text = signCheckpoint(checkpoint, other.signer);
    expect(() => openLogCheckpoint(text, configured.verifier)).toThrow(
      expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }),
    );
  });
});
