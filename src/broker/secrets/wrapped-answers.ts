import { decryptAt, encryptAt, type ColumnAt } from '../kernel/encrypted-columns.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { isWellFormedToken, newToken } from '../../crypto/random/token.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { isStanding } from '../access/authenticate.ts';
import type { Call } from '../access/call.ts';
import { judge } from '../access/judge.ts';
import { recordFailure } from '../recording/operation.ts';
import { commitAs, commitDecided, entryOf, isUnrecordable } from '../recording/record.ts';
import { recordRefusal, strangerOf } from '../recording/refusals.ts';
import type { Access, Bounds, Keys, Recordable, Recording } from '../state/dependencies.ts';
import type { LiveSession } from '../state/session-memory.ts';

/** The longest time that an answer waits for the holder of its wrapping token. */
export const MOST_WRAP_SECONDS = 86_400;
const MOST_BYTES = 81_920;

type WrappingParts = Recording & Access & Keys & Pick<Bounds, 'wrappingQuota'>;
type Row = Tables['wrapped_answers'];

export interface WrapOrder {
  /** Path of the request. The holder of the wrapping token may see it. */
  readonly creationPath: string;
  /** The secret in the answer. */
  readonly path: string | undefined;
  readonly seconds: number;
  /** Makes the answer, once there is room for it; undefined if there is nothing to wrap. */
  readonly answer: () => Promise<Buffer | undefined>;
}

/** A wrapped answer, without its content. */
export interface Wrapping {
  /** SHA-256 of the wrapping token: its name in the audit log. */
  readonly id: string;
  readonly creationPath: string;
  readonly createdAt: number;
  readonly endsAt: number;
}

export interface NewWrapping extends Wrapping {
  /** `qmw_…`: returned once. The store has only its hash. */
  readonly token: string;
}

/**
 * Keeps an answer, encrypted, for the caller that presents the wrapping token first. It ends with its time or with the session, whichever is first.
 * @throws ERR_RATE_LIMITED, ERR_BODY_TOO_LARGE; also the errors of the answer
 */
export async function wrapAnswer(
  parts: WrappingParts,
  call: Call,
  live: LiveSession,
  order: WrapOrder,
): Promise<NewWrapping | undefined> {
  const { path, creationPath: query } = order;
  const described = { action: 'wrapping.create', path, query } as const;
  const failed = (error: unknown): Promise<never> =>
    recordFailure({ parts, call, caller: live }, [described], error);
  const settled = await parts.wrappingQuota.take(live.workloadId).catch(failed);
  try {
    const answer = await order.answer();
    if (answer === undefined) return undefined;
    return await commitAs(parts, live, (decidedAt, holder) => {
      requireSize(answer);
      const made = newWrapping(parts, holder, { ...order, answer });
      const { id: token, endsAt } = made.wrapping;
      return {
        plan: {
          decidedAt,
          reads: holder.fences,
          notAfter: endsAt,
          writes: [made.write],
          entries: [entryOf(parts, call, holder, { ...described, outcome: 'ok', token, endsAt })],
        },
        settle: () => made.wrapping,
      };
    }).catch(failed);
  } finally {
    settled();
  }
}

function requireSize({ length }: Buffer): void {
  if (length <= MOST_BYTES) return;
  const detail = `a wrapped answer may have ${MOST_BYTES} bytes; this one has ${length}`;
  throw new BrokerError('ERR_BODY_TOO_LARGE', detail, { reason: 'wrapping_size' });
}

interface Content {
  readonly answer: Buffer;
  readonly path: string | undefined;
  readonly creationPath: string;
  readonly seconds: number;
}

function newWrapping(
  parts: WrappingParts,
  { session, hash, workloadId }: LiveSession,
  { answer, path, creationPath, seconds }: Content,
): { readonly wrapping: NewWrapping; readonly write: Write } {
  const token = newToken('qmw');
  const id = sha256Hex(token);
  const createdAt = parts.clock.now();
  const endsAt = Math.min(createdAt + seconds * 1_000, session.endsAt);
  const row: Row = {
    id,
    workload: workloadId,
    session_id: session.id,
    session_hash: hash,
    path: path ?? null,
    creation_path: creationPath,
    sealed: encryptAt(parts, placeOf(id), answer),
    created_at: createdAt,
    ends_at: endsAt,
    mac: null,
  };
  return {
    wrapping: { ...wrappingOf(row), token },
    write: { table: 'wrapped_answers', put: row },
  };
}

function wrappingOf({ id, creation_path, created_at, ends_at }: Row): Wrapping {
  return { id, creationPath: creation_path, createdAt: created_at, endsAt: ends_at };
}

/** A row with the session that wrapped it, which still has its rights. */
interface Found {
  readonly row: Row;
  readonly live: LiveSession;
}

/**
 * Finds the answer of a wrapping token. The token gives no right of its own: the session that wrapped must still be open, and must still be allowed to
 * read the secret.
 * @throws ERR_TOKEN_INVALID, the same for every cause
 */
async function find(parts: WrappingParts, call: Call, token: string): Promise<Found> {
  if (!isWellFormedToken('qmw', token)) throw refused('wrapping_form');
  const row = await parts.store.get('wrapped_answers', { id: sha256Hex(token) });
  if (row === undefined || row.ends_at <= parts.clock.now()) throw refused('unknown_wrapping');
  const live = await parts.sessions.again({ hash: Buffer.from(row.session_hash) });
  if (live === undefined || !isStanding(parts, live)) throw refused('session_ended');
  const { path } = row;
  if (path !== null && !judge(parts, call, live, { capability: 'read', path }).allowed)
    throw refused('no_right');
  return { row, live };
}

function refused(reason: string): BrokerError {
  return new BrokerError('ERR_TOKEN_INVALID', undefined, { reason });
}

/** Shows a wrapped answer to the holder of its token, without its content. @throws ERR_TOKEN_INVALID */
export async function lookUpWrapping(
  parts: WrappingParts,
  call: Call,
  token: string,
): Promise<Wrapping> {
  return wrappingOf((await find(parts, call, token)).row);
}

/** Opens a wrapped answer. Of two that present the token, one gets the answer. @throws ERR_TOKEN_INVALID */
export function unwrapAnswer(parts: WrappingParts, call: Call, token: string): Promise<Buffer> {
  return take(parts, call, token, ({ row }) => ({
    settle: () => contentOf(parts, row),
    entries: [opened(row)],
  }));
}

/** Moves an answer to a new wrapping token, for the time that it had at the beginning. @throws ERR_TOKEN_INVALID */
export function rewrapAnswer(
  parts: WrappingParts,
  call: Call,
  token: string,
): Promise<NewWrapping> {
  return take(parts, call, token, ({ row, live }) => {
    const { path, creation_path: creationPath, created_at, ends_at } = row;
    const seconds = Math.ceil((ends_at - created_at) / 1_000);
    const content = {
      answer: contentOf(parts, row),
      path: path ?? undefined,
      creationPath,
      seconds,
    };
    const { wrapping, write } = newWrapping(parts, live, content);
    const { id: token, endsAt } = wrapping;
    return {
      writes: [write],
      settle: () => wrapping,
      entries: [
        { ...opened(row), cause: 'rewrapped' },
        { ...opened(row), action: 'wrapping.create', token, endsAt },
      ],
    };
  });
}

/** The entry of an opened answer. */
function opened({ id, path, session_id, workload, creation_path }: Row) {
  return {
    action: 'wrapping.open' as const,
    outcome: 'ok' as const,
    token: id,
    path: path ?? undefined,
    session: session_id,
    workload,
    query: creation_path,
  };
}

function contentOf(parts: Keys, { id, sealed }: Row): Buffer {
  return decryptAt(parts, placeOf(id), sealed);
}

function placeOf(id: string): ColumnAt {
  return { table: 'wrapped_answers', column: 'sealed', row: { id } };
}

interface Taking<T> {
  readonly writes?: readonly Write[];
  readonly entries: readonly Recordable[];
  readonly settle: () => T;
}

/** Removes the row and does something with its content, in one commit. */
async function take<T>(
  parts: WrappingParts,
  call: Call,
  token: string,
  work: (found: Found) => Taking<T>,
): Promise<T> {
  // The holder of a wrapping token need not be the workload that wrapped, so it is not the actor.
  const stranger = { actor: strangerOf(parts) };
  try {
    return await commitDecided(parts, async (decidedAt) => {
      const found = await find(parts, call, token);
      const { row, live } = found;
      const { writes = [], entries, settle } = work(found);
      const key = { id: row.id };
      return {
        plan: {
          decidedAt,
          reads: live.fences,
          notAfter: row.ends_at,
          expect: [{ table: 'wrapped_answers', key, match: key }],
          writes: [{ table: 'wrapped_answers', remove: key }, ...writes],
          entries: entries.map((event) => entryOf(parts, call, stranger, event)),
        },
        settle,
        conflict: () => refused('unknown_wrapping'),
      };
    });
  } catch (error) {
    const failure = BrokerError.from(error);
    if (!isUnrecordable(failure))
      await recordRefusal(parts, { call, caller: undefined }, { action: 'wrapping.open' }, failure);
    throw failure;
  }
}
