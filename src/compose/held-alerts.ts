import { mkdir, readdir, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory, writeDurably } from '../audit/durable-file.ts';
import { alertId, raiseAlert } from '../broker/alerts/receive-alerts.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { HeldAlertPlace, HeldAlerts } from '../ports/held-alerts.ts';
import type { Log } from '../ports/log.ts';
import type { Parts } from './parts.ts';

/** More requests are refused: a source must not fill the volume of a broker that cannot take alerts out again. */
const MOST = 1_000;
/** How long the start waits for a watch. A later alert would name no pod, and is kept as unmatched. */
const WATCH_MS = 30_000;
const POLL_MS = 100;

/** A directory beside the checkpoint file, with one file for each request. */
export class HeldAlertFiles implements HeldAlertPlace {
  readonly #directory: string;
  readonly #log: Log;

  constructor(checkpointFile: string, log: Log) {
    this.#directory = `${checkpointFile}.alerts`;
    this.#log = log;
  }

  /** The name is a digest, so that a repeated delivery takes no more room. */
  async keep(held: HeldAlerts): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await syncDirectory(dirname(this.#directory));
    if ((await readdir(this.#directory)).length >= MOST) throw new BrokerError('ERR_HELD');
    const text = JSON.stringify(held);
    await writeDurably(join(this.#directory, `${sha256Hex(text)}.json`), text);
    this.#log.warn(
      { source: held.source, alerts: held.alerts.length },
      'the store is held: runtime alerts are kept in files, and count when the broker starts after the release',
    );
  }

  async drain(take: (held: HeldAlerts) => Promise<void>): Promise<void> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    for (const name of names.filter((each) => each.endsWith('.json'))) {
      const path = join(this.#directory, name);
      const text = await readFile(path, 'utf8');
      // A power loss leaves a whole file or a draft. The broker did not write another text.
      if (`${sha256Hex(text)}.json` === name) await take(JSON.parse(text) as HeldAlerts);
      else this.#log.error({ path }, 'a file of kept alerts was altered; it is removed');
      await unlink(path);
    }
  }
}

/**
 * Takes the alerts that came while the store was held, before the broker serves: no read of their pods succeeds in between. It waits for the watches,
 * because only they can tell which pod an alert is about.
 */
export async function takeHeldAlerts(parts: Parts): Promise<void> {
  await parts.heldAlerts.drain(async ({ source, cluster, alerts }) => {
    await untilWatched(parts, cluster);
    for (const alert of alerts) {
      await raiseAlert(parts, { id: alertId(source, alert), source, cluster, alert });
    }
    parts.log.warn({ source, alerts: alerts.length }, 'took alerts that came while held');
  });
}

async function untilWatched({ clusters, clock }: Parts, cluster: string): Promise<void> {
  const last = clock.monotonic() + WATCH_MS;
  while (clusters.watch(cluster)?.status() === 'starting' && clock.monotonic() < last)
    await clock.sleep(POLL_MS);
}
