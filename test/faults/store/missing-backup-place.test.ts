import { afterEach, expect, it } from '@jest/globals';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { generateAgeKeyPair } from '../../../src/crypto/encryption/age.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { until } from '../../kit/backends/until.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { fastClock } from '../../kit/time/fast-clock.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

let own: AttackedInstallation;
let serving: Serving | undefined;

afterEach(async () => {
  await serving?.stop('test');
  await own.remove();
});

/** Serves an installation whose backups have no directory. @returns the place at which it can be created */
async function serveUnmounted(clock: Clock): Promise<string> {
  const { recipient } = await generateAgeKeyPair();
  let place = '';
  own = await AttackedInstallation.make((directory) => {
    place = join(directory, 'unmounted');
    const backups = join(place, 'backups');
    return { backup: { directory: backups, recipients: [recipient], intervalHours: 1 } };
  });
  // Nothing can be created below a file, not even by root.
  await writeFile(place, '');
  await own.init();
  own.clock = clock;
  serving = await own.serve();
  return place;
}

it('serves without the directory of its backups, warns, and continues them once it is there', async () => {
  // The broker looks for the directory once a minute.
  const place = await serveUnmounted(fastClock(systemClock.now(), 60));
  const { broker } = serving!;
  expect(broker.unready()).toEqual([]);
  expect(broker.warnings()).toContain('backup_place_missing');
  const lines = JSON.stringify(own.logged);
  expect(lines).toContain(`the broker cannot write to ${join(place, 'backups')}`);
  await expect(broker.parts.backups!.list()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await rm(place);
  await mkdir(place);
  await until('a scheduled backup is there', async () => {
    if (broker.warnings().includes('backup_place_missing')) return false;
    return (await broker.parts.backups!.list()).length > 0;
  });
  expect(broker.warnings()).not.toContain('backup_failed');
  expect(JSON.stringify(own.logged)).toContain('the directory of the backups is there again');
});

it('does not look for the directory during a backup', async () => {
  const clock = new HandClock(systemClock.now());
  const place = await serveUnmounted(clock);
  await rm(place);
  await mkdir(place);
  const backups = serving!.broker.parts.backups!;
  backups.start();
  clock.advance(60_000);
  await until('the backup has ended', () => Promise.resolve(backups.run()?.state !== 'running'));
  expect(backups.run()).toMatchObject({ state: 'done' });
  expect(await backups.list()).toHaveLength(1);
  expect(JSON.stringify(own.logged)).not.toContain('is there again');
});
