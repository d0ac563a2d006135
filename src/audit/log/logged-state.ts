import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { LOG } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { LogAnchor } from './log-anchor.ts';
import type { LogIdentity } from '../records/log-identity.ts';
import { PendingBatches } from './pending-batches.ts';
import { ProvenEntries } from './proven-entries.ts';
import { storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

/** The digest of one kind of rows in an entry (internals/spec/state-digest-v1.md). */
export interface LoggedDigest {
  readonly kind: string;
  readonly generation: number;
  readonly count: number;
  readonly digest: string;
}

const MEMBER = ',"state":';
/** Ending of entries with a digest; few other entries have it. */
const ENDING = '}]}';

/** The newest digest of each kind of rows that the entries of a log contain. */
export class LoggedState {
  readonly #digests = new Map<string, LoggedDigest>();

  /** @throws ERR_CIPHERTEXT_INVALID for a text that `text` did not write. */
  static from(text: string): LoggedState {
    const state = new LoggedState();
    state.#read(text);
    return state;
  }

  get(kind: string): LoggedDigest | undefined {
    return this.#digests.get(kind);
  }

  /** Reads the digests of one batch. */
  take(entries: readonly string[]): void {
    for (const entry of entries) {
      if (!entry.endsWith(ENDING)) continue;
      // A quote within a string follows a backslash, so this text occurs only between members.
      const at = entry.lastIndexOf(MEMBER);
      if (at !== -1) this.#read(entry.slice(at + MEMBER.length, -1));
    }
  }

  text(): string {
    const kinds = [...this.#digests.keys()].sort();
    return JSON.stringify(kinds.map((kind) => this.#digests.get(kind)));
  }

  /** Replicas commit one after the other, but their batches join the tree in any order. So the higher generation counts. */
  #read(text: string): void {
    let digests: readonly LoggedDigest[];
    try {
      digests = JSON.parse(text) as readonly LoggedDigest[];
    } catch (cause) {
      throw new BrokerError('ERR_CIPHERTEXT_INVALID', undefined, { cause });
    }
    for (const digest of digests) {
      const known = this.#digests.get(digest.kind);
      if (known === undefined || known.generation < digest.generation)
        this.#digests.set(digest.kind, digest);
    }
  }
}

/** The places that record the digests of a store. */
export interface StateSource {
  readonly log: LogIdentity;
  readonly anchor: LogAnchor;
  readonly clock: Clock;
}

const ATTEMPTS = 16;
const ENTRIES_A_READ = 4_096;

/**
 * The newest digests in the whole log: of entries in the tree, and of entries not in it yet.
 * @throws ERR_CIPHERTEXT_INVALID if the log does not match its signature; ERR_BUSY if other replicas kept appending.
 */
export async function readLoggedState(store: Store, source: StateSource): Promise<LoggedState> {
  const { log, anchor, clock } = source;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const checkpoint = await storedCheckpoint(store, log.verifier);
    const state = await stateAt(store, checkpoint, anchor);
    const pending = new PendingBatches(store, log.verifier.key, clock);
    do await pending.read(({ entries }) => state.take(entries));
    while (!pending.drained);
    // A batch that joined the tree between the two reads would be in neither.
    const after = await storedCheckpoint(store, log.verifier);
    if (after?.size === checkpoint?.size) return state;
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

/**
 * The digests in the tree of a checkpoint. The row of a checkpoint has them under a MAC, except if a sealed broker wrote it. For such a row, an
 * earlier row is the start, and the entries after it are read: a part of the log before it may be archived. An attacker who removes rows only
 * makes this read longer.
 */
export async function stateAt(
  store: Store,
  checkpoint: SignedCheckpoint | undefined,
  anchor: LogAnchor,
): Promise<LoggedState> {
  if (checkpoint === undefined) return new LoggedState();
  const row = await store.get('log_checkpoints', { size: checkpoint.size });
  if (typeof row?.state === 'string')
    return LoggedState.from(anchor.openState(checkpoint.size, row.state));
  const { state, size } = await findEarlierState(store, anchor);
  return readStateAfter(store, checkpoint, state, size);
}

const ROWS_A_READ = 1_024;

/** The newest row of an earlier checkpoint that has the digests under a key of the broker; size 0 if none has. */
async function findEarlierState(
  store: Store,
  anchor: LogAnchor,
): Promise<{ readonly state: LoggedState; readonly size: number }> {
  let after: Tables['log_checkpoints'] | undefined;
  do {
    const rows = await store.list(LOG.newestCheckpoints(), { limit: ROWS_A_READ, after });
    for (const { size, state } of rows) {
      const text = state === null ? undefined : openedState(anchor, size, state);
      if (text !== undefined) return { state: LoggedState.from(text), size };
    }
    after = rows.at(-1);
  } while (after !== undefined);
  return { state: new LoggedState(), size: 0 };
}

/** Undefined for a text under a root key that was destroyed. */
function openedState(anchor: LogAnchor, size: number, state: string): string | undefined {
  try {
    return anchor.openState(size, state);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
    throw error;
  }
}

/** Reads the log from an entry on and proves each entry against the root, because an altered entry could hide a digest. */
async function readStateAfter(
  store: Store,
  checkpoint: SignedCheckpoint,
  state: LoggedState,
  from: number,
): Promise<LoggedState> {
  const entries = new ProvenEntries(store);
  for (let at = from; at < checkpoint.size; at += ENTRIES_A_READ) {
    const end = Math.min(at + ENTRIES_A_READ, checkpoint.size);
    state.take(await entries.read(checkpoint, at, end));
  }
  return state;
}
