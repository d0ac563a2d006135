import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { syncDirectory, writeDurably } from '../../audit/base/durable-file.ts';
import { raiseSent } from './receive-alerts.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { PRIORITIES } from '../../domain/alerts/alert.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { HeldAlertStorage, HeldAlerts } from '../../ports/held-alerts.ts';
import type { Log } from '../../ports/log.ts';
import type { Parts } from '../feature.ts';

/** Limit of files; more requests are refused: a source must not fill the volume of a broker that cannot take alerts out again. */
const MOST = 1_000;
/** Time that the start waits for a watch. A later alert would name no pod, and is kept as unmatched. */
const WATCH_MS = 30_000;
const POLL_MS = 100;

const fact = z.string().optional();
/** Checked although the name is a digest: a process that can write to the directory can compute it. */
const FILE = z.strictObject({
  version: z.literal(1),
  source: z.string(),
  cluster: z.string().optional(),
  alerts: z.array(
    z.strictObject({
      rule: z.string(),
      tags: z.array(z.string()),
      priority: z.enum(PRIORITIES),
      time: z.number().optional(),
      instance: z.string(),
      cluster: fact,
      node: fact,
      container: z.strictObject({ id: fact, imageDigest: fact }),
      pod: z.strictObject({ namespace: fact, name: fact, uid: fact }),
      isTest: z.boolean(),
    }),
  ),
});

/** A directory beside the checkpoint file, with one file for each request. */
export class HeldAlertFiles implements HeldAlertStorage {
  readonly #directory: string | undefined;
  readonly #log: Log;

  /** The directory must outlive the pod. Without a checkpoint file there is none, so a held broker refuses alerts, and their source sends them again. */
  constructor(checkpointFile: string | undefined, log: Log) {
    this.#directory = checkpointFile === undefined ? undefined : `${checkpointFile}.alerts`;
    this.#log = log;
  }

  /** The name is a digest, so that a repeated delivery takes no more room. */
  async keep(held: HeldAlerts): Promise<void> {
    if (this.#directory === undefined) throw new BrokerError('ERR_HELD');
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await syncDirectory(dirname(this.#directory));
    if ((await readdir(this.#directory)).length >= MOST) throw new BrokerError('ERR_HELD');
    const text = JSON.stringify({ version: 1, ...held });
    await writeDurably(join(this.#directory, `${sha256Hex(text)}.json`), text);
    this.#log.warn(
      { source: held.source, alerts: held.alerts.length },
      'the store is held: runtime alerts are kept in files, and count when the broker starts after the release',
    );
  }

  async drain(take: (held: HeldAlerts) => Promise<void>): Promise<void> {
    const directory = this.#directory;
    if (directory === undefined) return;
    const names = await readdir(directory).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    for (const name of names.filter((each) => each.endsWith('.json'))) {
      const path = join(directory, name);
      const held = readHeld(name, await readFile(path, 'utf8'));
      if (held === undefined) await this.#setAside(path);
      else await takeAndRemove(path, () => take(held));
    }
  }

  /**
   * Sets a file aside that no start can take. A start that fails again and again would be worse than one file of alerts that
   * people must read.
   */
  async #setAside(path: string): Promise<void> {
    const aside = `${path}.refused`;
    await rename(path, aside);
    await syncDirectory(dirname(path));
    this.#log.error(
      { path: aside },
      'a file of runtime alerts that came while the store was held is not as the broker wrote it: the broker starts without them; read the file, answer the alerts by hand, then remove it',
    );
  }
}

/**
 * Reads kept alerts; undefined for a text that the broker did not write: a power loss leaves a whole file or a draft, and the
 * name is the digest of the text.
 */
function readHeld(name: string, text: string): HeldAlerts | undefined {
  if (`${sha256Hex(text)}.json` !== name) return undefined;
  try {
    const held = JSON.parse(text) as HeldAlerts;
    FILE.parse(held);
    return held;
  } catch {
    return undefined;
  }
}

/** Removes the file after its alerts were taken. If that fails, the start fails: the pods of the alerts must not read. */
async function takeAndRemove(path: string, take: () => Promise<void>): Promise<void> {
  try {
    await take();
    await unlink(path);
  } catch (error) {
    throw new BrokerError(
      BrokerError.from(error).code,
      `cannot take the runtime alerts in ${path}, which came while the store was held; repair the cause, or move the file away and answer its alerts by hand`,
      { cause: error },
    );
  }
}

/**
 * Takes the alerts that came while the store was held, before the broker serves: no read of their pods succeeds in between. It waits for the watches,
 * because only they can tell which pod an alert is about.
 */
export async function takeHeldAlerts(parts: Parts): Promise<void> {
  await parts.heldAlerts.drain(async ({ source, cluster, alerts }) => {
    if (cluster !== undefined) await untilWatched(parts, cluster);
    for (const alert of alerts) {
      await raiseSent(parts, { source, cluster, alert });
    }
    parts.log.warn({ source, alerts: alerts.length }, 'took alerts that came while held');
  });
}

async function untilWatched({ clusters, clock }: Parts, cluster: string): Promise<void> {
  const last = clock.monotonic() + WATCH_MS;
  while (clusters.watch(cluster)?.status() === 'starting' && clock.monotonic() < last)
    await clock.sleep(POLL_MS);
}
