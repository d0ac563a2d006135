import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import { openBroker } from '../../../../src/program/broker/broker.ts';
import { initialise } from '../../../../src/program/installation/initialise.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import { storedEntries } from '../../../kit/store/store-diff.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('initialise', () => {
  let directory: string;
  let config: Config;
  const at = (name: string): string => join(directory, name);
  const init = (tokenFile: string) =>
    initialise(
      config,
      { tokenFile: at(tokenFile), tokenTtlSeconds: 3600 },
      { clock: systemClock, log: SILENT },
    );
  const isThere = (name: string): Promise<boolean> =>
    stat(at(name)).then(
      () => true,
      () => false,
    );

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-init-'));
    config = checkConfig(
      {
        store: { type: 'sqlite', path: at('store/quaymaster.db') },
        kek: { type: 'local-file', path: at('keys/kek') },
        audit: {
          origin: 'quaymaster.test/init',
          logKeyFile: at('keys/log.pem'),
          checkpointFile: at('keys/checkpoint'),
        },
      },
      'test',
    );
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('creates keys, store and a token that only their owner can read', async () => {
    const { created } = await init('token');
    expect(created).toHaveLength(3);
    expect(await readFile(at('token'), 'utf8')).toMatch(/^qmo_[0-9A-Za-z]{49}\n$/);
    for (const name of ['token', 'keys/kek', 'keys/log.pem', 'store/quaymaster.db']) {
      expect((await stat(at(name))).mode & 0o077).toBe(0);
    }
  });

  it('creates another token when it runs again, and nothing else', async () => {
    await init('first');
    const { created } = await init('second');
    expect(created).toEqual([]);
    expect(await readFile(at('second'), 'utf8')).not.toBe(await readFile(at('first'), 'utf8'));
  });

  it('lifts a quarantine of its own operator, and keeps the others', async () => {
    await init('first');
    const running = await openBroker(config, { clock: systemClock, log: SILENT });
    const { quarantines, store } = running.parts;
    const put = (kind: 'operator' | 'workload', subject: string) => ({
      table: 'quarantines' as const,
      put: quarantines.rowOf({
        kind,
        subject,
        id: `qua_${kind}`,
        reason: 'x',
        createdBy: 'mallory',
        createdAt: 1,
        endsAt: undefined,
      }),
    });
    await store.commit({
      writes: [put('operator', 'bootstrap'), put('workload', 'k8s://c1/a/b')],
    });
    await running.close('test_over');
    await init('second');
    const again = await openBroker(config, { clock: systemClock, log: SILENT });
    expect(again.parts.quarantines.all()).toMatchObject([{ kind: 'workload' }]);
    const entries = await storedEntries(again.parts.store);
    expect(entries.filter(({ action }) => action === 'quarantine.lift')).toMatchObject([
      { quarantine: 'qua_operator', cause: 'initialised', document: { name: 'bootstrap' } },
    ]);
    await again.close('test_over');
  });

  it('never overwrites a file with the token', async () => {
    await writeFile(at('token'), 'mine');
    await expect(init('token')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(await readFile(at('token'), 'utf8')).toBe('mine');
    expect(await isThere('store/quaymaster.db')).toBe(false);
  });

  it('creates nothing if the token cannot be stored, and reports the reason', async () => {
    await writeFile(at('taken'), 'mine');
    const failed = init('taken/token');
    await expect(failed).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await expect(failed).rejects.toThrow(`${at('taken/token')} cannot be made: EEXIST`);
    expect(await isThere('store/quaymaster.db')).toBe(false);
  });

  it.each([
    ['keys/log.pem', 'ERR_CONFIG_INVALID'],
    ['keys/kek', 'ERR_SEALED'],
  ])('creates no new %s for a store that lost its own', async (key, code) => {
    await init('first');
    await rm(at(key));
    await expect(init('second')).rejects.toMatchObject({ code });
    expect(await isThere(key)).toBe(false);
    expect(await isThere('second')).toBe(false);
  });
});
