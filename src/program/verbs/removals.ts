import { existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { EXPORT_FILES } from '../../audit/records/export-format.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import {
  releasedCheckpoints,
  writeReleased,
  type OriginCheckpoint,
} from '../../audit/log/log-origin.ts';
import { storedCheckpoint } from '../../audit/log/stored-tree.ts';
import {
  APPLIED,
  lostText,
  newerExport,
  newerStore,
  type NewerLog,
} from '../restore/lost-changes.ts';
import { newerSink } from '../restore/newer-sink.ts';
import { removalsIn } from '../restore/proven-removals.ts';
import { assertUnused } from '../restore/restore.ts';
import { NO_CHAIN } from '../../features/copies/verify-copy.ts';
import type { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { planReapplication, type ReapplicationPlan } from '../../broker/upkeep/reapply-removals.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store, Write } from '../../ports/store.ts';
import type { Removals } from '../../ports/removals.ts';
import { readNamedFile } from '../../audit/base/named-file.ts';
import { openStore } from '../../store/index.ts';
import type { Config } from '../config/schema.ts';
import { archiveIn, type ArchiveArguments } from '../log/archive-storage.ts';
import { openCheckpointStorage } from '../log/checkpoint-storage.ts';

export interface RemovalOptions extends ArchiveArguments {
  /** A newer log: an export, a store, or files of a sink. */
  readonly applyRemovals?: string;
  /** A checkpoint of the lost history, if the checkpoint file of the configuration is not one. */
  readonly checkpoint?: string;
  /** Keeps the sessions of people. */
  readonly keepLogins?: boolean;
  readonly endOperatorTokens?: boolean;
}

interface HeldStore {
  readonly config: Config;
  readonly store: Store;
  readonly rows: KeyringRowMacs;
  readonly clock: Clock;
  /** The log as the configuration names it, and as the store does. */
  readonly configured: LogIdentity;
  readonly identity: LogIdentity;
}

/** Removals of an unlocking, and the text of the plan for the operator. */
export interface PlannedRemovals {
  readonly fragment: ReapplicationPlan['fragment'];
  readonly lines: readonly string[];
}

const NONE: Removals = {
  documents: [],
  tokens: [],
  securityKeys: [],
  sessions: [],
  quarantines: [],
  attestations: [],
  evidence: [],
  approvals: [],
  wrappings: [],
};

/**
 * Plans what the unlocking of a store removes: what a newer log proves, and the sessions of people.
 * @throws ERR_CIPHERTEXT_INVALID if the newer log does not verify, or does not continue that of the store
 */
export async function planRemovals(
  held: HeldStore,
  options: RemovalOptions,
): Promise<PlannedRemovals> {
  const { store, clock, rows, config } = held;
  const { applyRemovals: source, keepLogins = false, endOperatorTokens = false } = options;
  const read = async (log: NewerLog) => ({
    removals: await removalsIn(log),
    lost: await lostText(log, source ?? '', APPLIED),
  });
  const proven = source === undefined ? undefined : await withNewerLog(source, held, options, read);
  const { kinds, left, fragment } = await planReapplication(
    {
      store,
      clock,
      rows,
      actor: new SystemActor({ clock, digest: sha256Hex }, 'release'),
      maxSessionSeconds: config.limits.maxSessionSeconds,
    },
    {
      removals: proven?.removals ?? NONE,
      endLogins: !keepLogins,
      endTokens: endOperatorTokens,
    },
  );
  const lines = kinds.flatMap(({ what, proven: count, found }) =>
    count === 0
      ? []
      : [`  ${what}: ${count}, of which the store has ${found.length}`, ...named(found)],
  );
  return {
    fragment: { ...fragment, writes: [...fragment.writes, ...(await keepCheckpoint(held))] },
    lines: [
      ...(proven === undefined
        ? []
        : [`${source ?? ''} is verified and continues the log of the store`]),
      'removed by this release:',
      ...(lines.length === 0 ? ['  nothing'] : lines),
      ...(left.length === 0 ? [] : ['left for you:', ...left.map((each) => `  ${each}`)]),
      ...(proven?.lost ?? []),
    ],
  };
}

/** The release leaves this checkpoint behind. A repeat of it, after it was killed, finds the newer log by it. */
async function keepCheckpoint({ store, identity }: HeldStore): Promise<readonly Write[]> {
  const kept = await storedCheckpoint(store, identity.verifier);
  return kept === undefined ? [] : [await writeReleased(store, kept.note)];
}

const MOST_NAMED = 100;

function named(found: readonly string[]): readonly string[] {
  const lines = found.slice(0, MOST_NAMED).map((each) => `    ${each}`);
  const more = found.length - lines.length;
  return more === 0 ? lines : [...lines, `    and ${more} more`];
}

/**
 * Reads the newer log. A release that was killed after its commit left the store with another origin, so the log may continue what the store had before.
 * @throws ERR_CIPHERTEXT_INVALID if it continues none
 */
async function withNewerLog<T>(
  source: string,
  held: HeldStore,
  options: RemovalOptions,
  read: (log: NewerLog) => Promise<T>,
): Promise<T> {
  const { store, identity } = held;
  const kept = await storedCheckpoint(store, identity.verifier);
  if (kept === undefined) throw new BrokerError('ERR_CONFLICT', 'the log of the store is empty');
  const earlier = await releasedCheckpoints(store, identity);
  let refusal: unknown;
  for (const base of [{ note: kept.note, identity }, ...earlier]) {
    try {
      return await readAfter(base, source, { held, options, read });
    } catch (error) {
      if (BrokerError.from(error).code !== 'ERR_CIPHERTEXT_INVALID') throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/** Opens the newer log by its form: a directory with a manifest is an export, a file of SQLite is a store, everything else is of a sink. */
async function readAfter<T>(
  { note, identity: { verifier } }: OriginCheckpoint,
  source: string,
  {
    held: { config, store, clock, configured },
    options,
    read,
  }: {
    readonly held: HeldStore;
    readonly options: RemovalOptions;
    readonly read: (log: NewerLog) => Promise<T>;
  },
): Promise<T> {
  const since = { checkpoint: note, verifier, archive: await archiveIn(options) };
  if (existsSync(join(source, EXPORT_FILES.manifest)))
    return read(await newerExport(source, configured, since));
  if (await isSqlite(source)) {
    await assertUnused(source);
    const opening = { chain: NO_CHAIN, clock, mode: config.mode };
    const newer = await openStore({ type: 'sqlite', path: source }, opening);
    try {
      return await read(await newerStore(newer, configured, { ...since, clock }));
    } finally {
      await newer.close();
    }
  }
  const { size } = openLogCheckpoint(note, verifier);
  const checkpoint = await newestCheckpoint({ config, clock }, options);
  return read(await newerSink(source, { store, size, checkpoint, verifier }));
}

async function newestCheckpoint(
  { config, clock }: Pick<HeldStore, 'config' | 'clock'>,
  { checkpoint }: RemovalOptions,
): Promise<string> {
  if (checkpoint !== undefined) return readNamedFile('--checkpoint', checkpoint);
  const outside = await openCheckpointStorage(config.audit, clock);
  const note = await outside.read();
  if (note !== undefined) return note;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    `entries of a sink are proven by a checkpoint, and ${outside.name} does not exist: name a copy of it with --checkpoint`,
  );
}

const SQLITE = 'SQLite format 3\0';

async function isSqlite(path: string): Promise<boolean> {
  if (!existsSync(path) || (await stat(path)).isDirectory()) return false;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SQLITE.length), 0, SQLITE.length, 0);
    return buffer.toString('latin1', 0, bytesRead) === SQLITE;
  } finally {
    await file.close();
  }
}
