import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Deliveries } from '../../../src/delivery/files/deliveries.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { heldSecrets } from '../../kit/delivery/held-secret.ts';

const READS = 100_000;
const CHILD = fileURLToPath(new URL('../../kit/delivery/file-reader-child.ts', import.meta.url));
/** Directory in memory, as in a pod: on a disk each file would be synced. */
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const base = mkdtempSync(join(place, 'qm-whole-'));
afterAll(() => rmSync(base, { recursive: true }));

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('an application that reads while the agent writes', () => {
  it('finds every file present and complete, of one version or another (F60)', async () => {
    const directory = join(base, 'secrets');
    const deliveries = await Deliveries.prepare(
      {
        directory,
        secrets: [
          { name: 'db', file: 'db.json', format: 'json', mode: 0o400 },
          { name: 'text', file: 'folder', format: 'files', mode: 0o400 },
        ],
        templates: [],
      },
      { clock: systemClock, log },
    );
    let version = 0;
    const deliver = (): Promise<unknown> => {
      const text = `v${(version += 1)} `.repeat(400);
      return deliveries.deliver(
        heldSecrets({ db: { a: text, b: text }, text: { text: `${text}end` } }),
      );
    };
    await deliver();
    const reader = spawn(process.execPath, [CHILD, directory, String(READS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    reader.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const state = { isReading: true };
    const ended = once(reader, 'close').finally(() => (state.isReading = false));
    while (state.isReading) {
      await deliver();
      await turn();
    }
    await ended;
    deliveries.close();
    const { broken, missing, versions } = JSON.parse(said) as Record<string, number>;
    expect({ broken, missing }).toEqual({ broken: 0, missing: 0 });
    expect(versions).toBeGreaterThan(10);
  });
});
