import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dump } from 'js-yaml';
import { SystemActor } from '../../../src/broker/recording/record.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const WAL = 'store/quaymaster.db-wal';
const LAST_COMMIT = 'keys/checkpoint.last-commit';

let own: AttackedInstallation;

/** An installation whose process was killed right after the acknowledgement of its last commit, which no checkpoint covers yet. */
beforeEach(async () => {
  own = await AttackedInstallation.make();
  await own.init();
  own.clock = new HandClock(systemClock.now());
  const broker = await own.open();
  const { store } = broker.parts;
  const actor = new SystemActor({ clock: systemClock, digest: sha256Hex }, 'store');
  for (const comment of ['first', 'second', 'third'])
    await store.commit({
      entries: [actor.entry({ action: 'broker.hold', outcome: 'error', cause: 'test', comment })],
    });
  for (const folder of ['store', 'keys'])
    await cp(own.at(folder), own.at(`killed-${folder}`), { recursive: true });
  await broker.close('test');
  for (const folder of ['store', 'keys']) {
    await rm(own.at(folder), { recursive: true });
    await cp(own.at(`killed-${folder}`), own.at(folder), { recursive: true });
  }
  own.clock = systemClock;
});
afterEach(() => own.remove());

async function heldReasons(): Promise<readonly string[]> {
  const broker = await own.open();
  const reasons = broker.held().map(({ reason }) => reason);
  await broker.close('test');
  return reasons;
}

async function flipInWal(distanceFromEnd: number): Promise<void> {
  const bytes = await readFile(own.at(WAL));
  const at = bytes.length - distanceFromEnd;
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  await writeFile(own.at(WAL), bytes);
}

describe('a store that was killed before the checkpoint file named its last commits', () => {
  it('serves when its write-ahead log is whole', async () => {
    expect(await heldReasons()).toEqual([]);
  });

  it('is held when the end of its write-ahead log was cut off (F31)', async () => {
    await truncate(own.at(WAL), (await stat(own.at(WAL))).size - 100);
    expect(await heldReasons()).toEqual(['commits_missing']);
  });

  it('is held when a bit of its last commit was flipped (F31)', async () => {
    await flipInWal(100);
    expect(await heldReasons()).toEqual(['commits_missing']);
  });

  it('is held when its write-ahead log was removed', async () => {
    await rm(own.at(WAL));
    expect(await heldReasons()).not.toEqual([]);
  });

  it('serves after a release, which reports the last acknowledged entry', async () => {
    await flipInWal(100);
    const config = own.at('config.yaml');
    await writeFile(config, dump(own.config), { mode: 0o600 });
    const text = await runRelease({ config, comment: 'the disk was replaced' });
    expect(text).toContain('held because of commits_missing');
    expect(text).toMatch(/last acknowledged entry: +number \d+ of boot w/);
    expect(text).toContain('entries up to the last acknowledged one are missing');
    expect(await heldReasons()).toEqual([]);
  });
});

describe('the file that names the last acknowledged entry', () => {
  it('is created at the next start if it is missing, as after an upgrade', async () => {
    await rm(own.at(LAST_COMMIT));
    expect(await heldReasons()).toEqual([]);
    const last = await readFile(own.at(LAST_COMMIT), 'utf8');
    expect(last).toMatch(/^w[0-9a-z]{9}-[0-9a-z]{10} \d+ [0-9a-f]{64} +\n$/);
  });

  it.each([
    ['is of zeros', '\0'.repeat(128)],
    ['is cut', 'w0mr'],
    ['names a boot without entries', `w0mr000000-0000000000 7 ${'0'.repeat(64)}\n`],
  ])('holds the store when it %s', async (_, text) => {
    await writeFile(own.at(LAST_COMMIT), text);
    expect(await heldReasons()).toEqual(['commits_missing']);
  });
});
