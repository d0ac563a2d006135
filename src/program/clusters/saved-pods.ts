import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { listAll } from '../../broker/kernel/list-all.ts';
import { runningSha256, sha256Hex } from '../../crypto/hashes/digest.ts';
import type { RowMacs } from '../../crypto/signatures/row-mac.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { PodWatch, SavedPod, SavedPods } from '../../ports/pod-watch.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Store } from '../../ports/store.ts';

/** Bytes of the pods in one file, about 20,000 pods. A start reads and hashes all of them before it serves. */
const MOST_BYTES = 32 * 1024 * 1024;
/** Bytes of the last line, which has the MAC of the file. */
const MOST_MAC_LINE = 4_096;
/** A pod whose line is longer is left out, so that the pods of one tenant cannot fill the volume. Most lines have about 1.5 KB. */
const LONGEST_LINE = 8_192;
/** Other work of the process runs between two pieces. */
const LINES_AT_ONCE = 200;
const FIRST_SAVE_MS = 5_000;
const SAVE_EVERY_MS = 60_000;

const LINE = z.strictObject({
  uid: z.string(),
  labels: z.record(z.string(), z.string()),
  manifest: z.base64(),
});
/** The last line. The reader knows what its other members must be. */
const MAC_LINE = z.object({ version: z.literal(1), savedAt: z.int(), mac: z.base64() });

/** A cluster as it is registered now: a later registration of the same name may be another cluster. */
export interface Registration {
  readonly cluster: string;
  /** Name of the file, and a part of what its MAC covers. */
  readonly uid: string;
  readonly version: number;
}

interface SavedPodsDeps {
  /** Undefined if the checkpoint is in a bucket: then no pods are saved. */
  readonly checkpointFile?: string | undefined;
  readonly rows: RowMacs;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A directory beside the checkpoint file, with one file for each cluster: what the watch knew last about pods with sessions. A broker that starts while the API
 * server is unreachable judges them by it, for the time for which it would have known them without the restart (internals/spec/saved-pods-v1.md).
 */
export class SavedPodFiles {
  readonly #deps: SavedPodsDeps;
  readonly #directory: string | undefined;

  constructor(deps: SavedPodsDeps) {
    this.#deps = deps;
    const { checkpointFile: file } = deps;
    this.#directory = file === undefined ? undefined : `${file}.pods`;
  }

  /** Reads the files of the registered clusters and removes all others. A file that cannot be used is ignored and named in the log. */
  async load(registered: readonly Registration[]): Promise<ReadonlyMap<string, SavedPods>> {
    const found = new Map<string, SavedPods>();
    if (this.#directory === undefined) return found;
    const files = new Map(registered.map((each) => [`${each.uid}.jsonl`, each]));
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const registration = files.get(name);
      const path = join(this.#directory, name);
      if (registration === undefined) await rm(path, { force: true });
      else await this.#read(path, registration, found);
    }
    return found;
  }

  async #read(path: string, registration: Registration, found: Map<string, SavedPods>) {
    const { log, rows } = this.#deps;
    const { cluster } = registration;
    try {
      const { size } = await stat(path);
      const most = MOST_BYTES + MOST_MAC_LINE;
      if (size > most) throw new RangeError(`${size} bytes; the limit is ${most}`);
      const saved = openSaved(await readFile(path, 'utf8'), registration, rows);
      found.set(cluster, saved);
      const at = new Date(saved.savedAt).toISOString();
      log.info({ cluster, pods: saved.pods, savedAt: at }, 'read the pods that were saved');
    } catch (err) {
      log.warn(
        { err, cluster, path },
        'the file of saved pods is not one that this installation wrote for this registration of the cluster, so it is ignored: until the API server answers, its pods are unknown',
      );
    }
  }

  /**
   * Replaces the file of a cluster, piece by piece. Without a sync: after a power loss the file may be broken, and is ignored. Nothing is replaced if `isGood` is
   * false in the end. @throws ERR_SEALED
   */
  async save(
    { cluster, uid, version }: Registration,
    pods: AsyncIterable<SavedPod>,
    isGood: () => boolean,
  ): Promise<void> {
    const { rows, clock } = this.#deps;
    if (this.#directory === undefined) return;
    const path = join(this.#directory, `${uid}.jsonl`);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const draft = await open(`${path}.part`, 'w', 0o600);
    try {
      const digest = await writePods(draft, pods);
      if (!isGood()) return;
      const registration = `${uid}.${version}`;
      const facts = { cluster, registration, savedAt: clock.now(), digest };
      const mac = rows.mac(TABLE, facts).toString('base64');
      await draft.write(`${JSON.stringify({ version: 1, ...facts, mac })}\n`);
    } finally {
      await draft.close();
    }
    await rename(`${path}.part`, path);
  }
}

/** @returns the digest of what it wrote */
async function writePods(file: FileHandle, pods: AsyncIterable<SavedPod>): Promise<string> {
  const digest = runningSha256();
  const flush = async (lines: readonly string[]): Promise<void> => {
    const piece = Buffer.from(lines.join(''));
    digest.update(piece);
    await file.write(piece);
  };
  let lines: string[] = [];
  let left = MOST_BYTES;
  for await (const { manifest, ...pod } of pods) {
    const line = JSON.stringify({ ...pod, manifest: Buffer.from(manifest).toString('base64') });
    if (line.length > LONGEST_LINE) continue;
    left -= Buffer.byteLength(line) + 1;
    if (left < 0) break;
    lines.push(`${line}\n`);
    if (lines.length < LINES_AT_ONCE) continue;
    await flush(lines);
    lines = [];
  }
  await flush(lines);
  return digest.hex();
}

/** The table in the message of the MAC. The store has none of this name. */
const TABLE = 'saved_pods';

/** @throws for a file that this installation did not write for this registration */
function openSaved(
  text: string,
  { cluster, uid, version }: Registration,
  rows: RowMacs,
): SavedPods & { readonly pods: number } {
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  const { savedAt, mac } = MAC_LINE.parse(JSON.parse(text.slice(end)));
  const body = text.slice(0, end);
  const facts = { cluster, registration: `${uid}.${version}`, savedAt, digest: sha256Hex(body) };
  rows.verify(TABLE, facts, Buffer.from(mac, 'base64'));
  const lines = new Map(
    body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(UID_AT, line.indexOf('"', UID_AT)), line]),
  );
  return { savedAt, pods: lines.size, find: (of) => podIn(lines.get(of)) };
}

const UID_AT = '{"uid":"'.length;

function podIn(line: string | undefined): SavedPod | undefined {
  if (line === undefined) return undefined;
  const { uid, labels, manifest } = LINE.parse(JSON.parse(line));
  return { uid, labels, manifest: Buffer.from(manifest, 'base64') };
}

/** A registered cluster whose pods a profile judges. */
export interface SavedCluster {
  readonly registration: Registration;
  readonly watch: PodWatch;
}

/** Saves the pods with sessions, once a minute, while the watch of their cluster is live. */
export function savedPodsWorker(
  files: SavedPodFiles,
  { store, clock, log }: Pick<SavedPodsDeps, 'clock' | 'log'> & { readonly store: Store },
  clusters: () => readonly SavedCluster[],
): { start(): void; stop(): Promise<void> } {
  const work = new RepeatedWork({
    clock,
    run: async (signal) => {
      for (const { registration, watch } of clusters()) {
        const isLive = (): boolean => watch.status() === 'live' && !signal.aborted;
        if (!isLive()) continue;
        await files.save(registration, podsToSave(store, registration.cluster, watch), isLive);
      }
      return SAVE_EVERY_MS;
    },
    onError: (err) => {
      log.warn({ err }, 'the pods with sessions cannot be saved; retrying in a minute');
      return SAVE_EVERY_MS;
    },
  });
  return { start: () => work.startAfter(FIRST_SAVE_MS), stop: () => work.stop() };
}

async function* podsToSave(
  store: Store,
  cluster: string,
  watch: PodWatch,
): AsyncGenerator<SavedPod> {
  const seen = new Set<string>();
  for await (const { pod_uid: uid } of listAll(store, SESSIONS.ofCluster(cluster))) {
    if (uid === null || seen.has(uid)) continue;
    seen.add(uid);
    const pod = watch.save(uid);
    if (pod !== undefined) yield pod;
  }
}
