import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { generateAgeKeyPair } from '../../../src/crypto/encryption/age.ts';
import type { BackupRun } from '../../../src/ports/backups.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { until } from '../../kit/backends/until.ts';
import { itIfMounted, leftOut, SmallDisk } from '../../kit/files/small-disk.ts';

const FULL =
  /^ERR_STORE_UNAVAILABLE: the disk is full: a backup needs room for a copy in .* and for the archive in /;

describe(`a backup while the broker runs, when the disk becomes full (F22)${leftOut}`, () => {
  let own: AttackedInstallation;
  let serving: Serving;
  let token: string;
  let disk: SmallDisk;
  let backups: string;

  afterEach(async () => {
    await serving.stop('test');
    await own.remove();
    disk.unmount();
  });

  /** A broker with some megabytes in its store. */
  async function start(places: { store?: string; backups?: string }): Promise<void> {
    const { recipient } = await generateAgeKeyPair();
    own = await AttackedInstallation.make((directory) => {
      backups = places.backups ?? join(directory, 'backups');
      const path = join(places.store ?? join(directory, 'store'), 'quaymaster.db');
      return {
        store: { type: 'sqlite', path },
        backup: { directory: backups, recipients: [recipient] },
      };
    });
    await mkdir(backups, { recursive: true });
    token = await own.init();
    serving = await own.serve();
    expect(await put('/mounts/own', { prefix: 'own', connection: 'embedded' })).toBe(201);
    for (let i = 0; i < 60; i += 1)
      expect(await put(`/secrets/own/${i}`, { data: { value: 'x'.repeat(50_000) } })).toBe(201);
  }

  async function put(path: string, body: unknown): Promise<number> {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'if-none-match': '*',
    };
    const init = { method: 'PUT', headers, body: JSON.stringify(body) };
    return (await fetch(`${serving.url}/api/v1${path}`, init)).status;
  }

  /** Makes a backup. `during` is called in each turn of the event loop until it is over. */
  async function backUp(during: (run: BackupRun) => void): Promise<BackupRun> {
    const made = serving.broker.parts.backups!;
    made.start();
    for (;;) {
      const run = made.run()!;
      if (run.state !== 'running') return run;
      during(run);
      await loopTurn();
    }
  }

  /** Fills the disk, so that only a part of the archive or of the copy still fits. */
  function fill(bytesLeft: number): void {
    const filler = join(disk.path, 'filler');
    if (existsSync(filler)) return;
    const { bavail, bsize } = statfsSync(disk.path);
    try {
      writeFileSync(filler, Buffer.alloc(bavail * bsize - bytesLeft));
    } catch (error) {
      // The backup takes space in a thread of its own meanwhile: the disk is then full already.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  const expectFailed = (run: BackupRun): void => {
    expect(run).toMatchObject({ state: 'failed', error: expect.stringMatching(FULL) as unknown });
    expect(serving.broker.warnings()).toContain('backup_failed');
  };

  itIfMounted(
    'fails in the middle of the archive and leaves no file; the next one succeeds (F22)',
    async () => {
      disk = SmallDisk.mount('64m')!;
      await start({ backups: disk.path });
      const run = await backUp(({ step }) => {
        if (step === 'encrypt') fill(1_000_000);
      });
      expectFailed(run);
      expect(run.step).toBe('encrypt');
      expect(readdirSync(backups)).toEqual(['filler']);
      expect(await put('/secrets/own/next', { data: { value: 'x' } })).toBe(201);
      expect(serving.broker.unready()).toEqual([]);
      rmSync(join(disk.path, 'filler'));
      expect(await backUp(() => undefined)).toMatchObject({ state: 'done' });
      expect(readdirSync(backups).map((file) => extname(file))).toEqual(['.age', '.manifest']);
    },
  );

  itIfMounted('fails before the manifest and leaves no archive', async () => {
    disk = SmallDisk.mount('64m', 1)!;
    await start({ backups: disk.path });
    expectFailed(await backUp(() => undefined));
    expect(readdirSync(backups)).toEqual([]);
    expect(await put('/secrets/own/next', { data: { value: 'x' } })).toBe(201);
  });

  itIfMounted(
    'fails in the middle of the copy beside the store; the broker serves when there is room (F22)',
    async () => {
      disk = SmallDisk.mount('64m')!;
      await start({ store: disk.path });
      const run = await backUp(({ step, done }) => {
        if (step === 'copy' && done > 0) fill(0);
      });
      expectFailed(run);
      expect(run.step).toBe('copy');
      expect(readdirSync(disk.path).filter((file) => file.includes('.backup'))).toEqual([]);
      expect(readdirSync(backups)).toEqual([]);
      rmSync(join(disk.path, 'filler'));
      await until('the broker serves', () =>
        Promise.resolve(serving.broker.unready().length === 0),
      );
      expect(await put('/secrets/own/next', { data: { value: 'x' } })).toBe(201);
      expect(await backUp(() => undefined)).toMatchObject({ state: 'done' });
    },
  );
});

describe('a backup that was killed before its manifest had its name', () => {
  it('is removed by the next one, with its archive', async () => {
    const { recipient } = await generateAgeKeyPair();
    const own = await AttackedInstallation.make((directory) => ({
      backup: { directory: join(directory, 'backups'), recipients: [recipient] },
    }));
    const left = ['quaymaster-1.age', 'quaymaster-1.manifest.part', 'quaymaster-2.age.part'];
    const kept = ['quaymaster-0.age', 'quaymaster-0.manifest', 'quaymaster-3.age'];
    await mkdir(own.at('backups'));
    for (const file of [...left, ...kept]) writeFileSync(own.at(`backups/${file}`), '');
    await own.init();
    const broker = await own.open();
    expect(readdirSync(own.at('backups'))).toEqual(kept);
    await broker.close('test');
    await own.remove();
  });
});
