import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { LogSync, SYNCS_IN_FLIGHT } from '../../../../src/store/sqlite/log-sync.ts';

let directory: string;
let log: LogSync;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quaymaster-log-sync-'));
  writeFileSync(join(directory, 'store.db-wal'), 'x');
  log = new LogSync(join(directory, 'store.db'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const synced = (): Promise<Error | null> => new Promise((resolve) => log.sync(resolve));

/** Open descriptors of the log. */
function descriptors(): number {
  const isLog = (descriptor: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(directory);
    } catch {
      // The descriptor of the listing itself is closed.
      return false;
    }
  };
  return readdirSync('/proc/self/fd').filter(isLog).length;
}

it('has a descriptor for each sync in flight from the beginning, and one for the event loop', async () => {
  expect(descriptors()).toBe(SYNCS_IN_FLIGHT + 1);
  const all = Array.from({ length: SYNCS_IN_FLIGHT }, synced);
  expect(descriptors()).toBe(SYNCS_IN_FLIGHT + 1);
  expect(await Promise.all(all)).toEqual(Array.from({ length: SYNCS_IN_FLIGHT }, () => null));
  log.close();
  expect(descriptors()).toBe(0);
});

it('syncs at once what is more than its descriptors', async () => {
  const order: string[] = [];
  const first = Array.from({ length: SYNCS_IN_FLIGHT }, () =>
    synced().then(() => order.push('pool')),
  );
  log.sync((failure) => order.push(`here ${failure}`));
  expect(order).toEqual(['here null']);
  await Promise.all(first);
  log.close();
});

it('closes the descriptors of syncs in flight when they end', async () => {
  const all = Array.from({ length: SYNCS_IN_FLIGHT }, synced);
  log.close();
  await Promise.all(all);
  expect(descriptors()).toBe(0);
});
