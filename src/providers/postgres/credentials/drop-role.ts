import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { closeRole, roleExists } from '../client/close-role.ts';
import { attempt, isContended, isLocked, rollBackPrepared } from '../client/contested-role.ts';
import { quoteIdentifier } from '../quote.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import { sqlStateOf } from '../errors.ts';
import { ownsObjects, stripRole, type StripTerms } from './strip-role.ts';

/** Attributes that prevent a login, whatever method `pg_hba.conf` demands. */
const CLOSED = "NOLOGIN PASSWORD NULL VALID UNTIL 'epoch' CONNECTION LIMIT 0";
const LOCK_TIMEOUT_MS = 500;
const TRIES = 10;
/** PostgreSQL, appendix A: dependent_objects_still_exist, undefined_object. */
const STILL_NEEDED = '2BP01';
const GONE = '42704';
/** Query for other databases of the server in which the role owns objects or has rights. */
const ELSEWHERE = `
  SELECT DISTINCT b.datname FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid JOIN pg_database b ON b.oid = d.dbid
   WHERE d.refclassid = 'pg_authid'::regclass AND r.rolname = $1 AND b.datname <> current_database()`;

/**
 * Removes a role in steps, each of which may be interrupted: its login, its sessions, its rights, its objects, the role itself.
 * It never waits for the holder. Two brokers may do it at once.
 * @throws ERR_CONFLICT for a role that cannot be dropped: it has no login, sessions or rights, but owns objects; `reason` and
 * `detail` tell the operator what to do.
 */
export async function dropRole(
  server: PostgresServer,
  role: string,
  terms: StripTerms,
  context: CallContext,
): Promise<void> {
  if (!(await closeRole(server, { role, attributes: CLOSED }, context))) return;
  await rollBackPrepared(server, role, context);
  const at = { server, role, context };
  let { isGone, failure } = await release(at, terms);
  if (isGone) return;
  const elsewhere = await server.read(context, (session) => session.query(ELSEWHERE, [role]));
  for (const [database] of elsewhere) {
    if (typeof database !== 'string') continue;
    const there = await release(at, { heir: terms.heir, revocation: [] }, database).catch(
      (error: unknown) => ({ isGone: false, failure: error }),
    );
    isGone = there.isGone;
    failure ??= there.failure;
  }
  if (isGone) return;
  const owns = await server.read(context, (session) => ownsObjects(session, role));
  throw kept(role, failure, owns);
}

interface RoleAt {
  readonly server: PostgresServer;
  readonly role: string;
  readonly context: CallContext;
}

interface Released {
  readonly isGone: boolean;
  readonly failure: unknown;
}

/** Revokes the role's rights in a database. The role is dropped in the last one in which it owned objects or had rights. */
async function release(
  { server, role, context }: RoleAt,
  terms: StripTerms,
  database?: string,
): Promise<Released> {
  const gone = { isGone: true, failure: undefined };
  const work = async (session: PostgresSession): Promise<Released> => {
    await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    if (!(await roleExists(session, role))) return gone;
    const failure = await stripRole(session, role, terms);
    const dropping = await attempt(session, () =>
      session.query(`DROP ROLE ${quoteIdentifier(role)}`),
    );
    return dropping === undefined ? gone : { isGone: false, failure: failure ?? locked(dropping) };
  };
  return retryContended(() => server.change(context, work, database)).catch((error: unknown) => {
    // Another broker dropped it in the meantime.
    if (sqlStateOf(error) === GONE) return gone;
    throw error;
  });
}

/** A role on which objects still depend is expected; every other error counts as a failure. */
function locked(error: unknown): unknown {
  return sqlStateOf(error) === STILL_NEEDED ? undefined : error;
}

/** Builds the error that names why the role still exists, and the remedy. */
function kept(role: string, failure: unknown, owns: boolean): BrokerError {
  const closed = `role "${role}" is closed`;
  if (failure instanceof BrokerError && failure.reason === 'heir_unfit') {
    return conflict(
      'heir_unfit',
      `${closed}, and still owns objects: ${failure.detail ?? ''}`,
      failure,
    );
  }
  if (isLocked(failure)) {
    const detail = `${closed}; other sessions use its objects; the broker transfers them later`;
    return new BrokerError('ERR_PROVIDER_TIMEOUT', detail, { reason: 'blocked', cause: failure });
  }
  if (failure !== undefined) {
    const detail = `${closed}; a statement that transfers its objects or revokes its rights failed: run REASSIGN OWNED BY it TO a role without rights, as its owner or a superuser`;
    return conflict('objects_not_released', detail, failure);
  }
  if (!owns) {
    const detail = `${closed}; rights that others granted to it, or objects in other databases, keep it from being dropped: DROP OWNED BY it there`;
    return conflict('rights_left', detail);
  }
  const detail = `${closed} and has no rights, but owns objects: name an heir in the mount, or REASSIGN or DROP OWNED BY it`;
  return conflict('owns_objects', detail);
}

function conflict(reason: string, detail: string, cause?: unknown): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, {
    reason,
    ...(cause !== undefined && { cause }),
  });
}

/** Retries a transaction that failed without effect because another one changed the same row. */
export async function retryContended<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !isContended(error)) throw error;
    }
  }
}
