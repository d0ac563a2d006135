import { afterEach, expect, it } from '@jest/globals';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Serving } from '../../../src/compose/serving/serve.ts';
import { generateAgeKeyPair } from '../../../src/crypto/encryption/age.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { until } from '../../kit/backends/until.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { fastClock } from '../../kit/time/fast-clock.ts';

let own: AttackedInstallation;
let serving: Serving | undefined;

afterEach(async () => {
  await serving?.stop('test');
  await own.remove();
});

it('serves without the directory of its backups, warns, and continues them once it is there', async () => {
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
  // The broker looks for the directory once a minute.
  own.clock = fastClock(systemClock.now(), 60);
  serving = await own.serve();
  const { broker } = serving;
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
