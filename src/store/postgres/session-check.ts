import type { Client } from 'pg';
import { randomBytes } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';

/** A setting that PostgreSQL does not have. It lets each session set any name with a prefix. */
const MARK = 'quaymaster.session';
/** A pooler may give a client the same server session twice by chance. */
const ATTEMPTS = 5;
const MARK_BYTES = 9;
const READ = `SELECT pg_backend_pid() AS "pid", current_setting('${MARK}', true) AS "mark"`;

interface Session {
  readonly pid: number;
  readonly mark: string | null;
}

/**
 * Refuses a pooler that does not keep one server session for each connection. The store keeps settings, prepared statements and notifications in its
 * sessions; without its settings, the fence and durability would fail silently. A server reports its process id when a connection opens, and a pooler
 * reports an invented one, so a direct connection needs no further check.
 * @throws ERR_CONFIG_INVALID
 */
export async function assertSessions(client: Client, connect: () => Client): Promise<void> {
  const { pid } = await read(client);
  // The driver keeps this field for its own cancellation of queries; its types lack it.
  if ((client as { readonly processID?: number | null }).processID === pid) return;
  const other = connect();
  other.on('error', () => undefined);
  try {
    await other.connect();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) await compare(client, other);
  } finally {
    await other.end().catch(() => undefined);
  }
}

/** The other connection occupies a server session, so that a pooler gives the first one another session if it keeps none. */
async function compare(client: Client, other: Client): Promise<void> {
  const mark = randomBytes(MARK_BYTES).toString('base64url');
  await client.query(`SELECT set_config('${MARK}', $1, false)`, [mark]);
  const own = await read(client);
  // In statement mode, PgBouncer ends a connection that begins a transaction.
  await other.query('BEGIN').catch((cause: unknown) => {
    throw noSessions(cause);
  });
  const held = await read(other);
  // With one server session in all, the first connection would wait here until the other one ends its transaction.
  const now = held.pid === own.pid ? held : await read(client);
  await other.query('ROLLBACK');
  if (held.pid !== own.pid && now.pid === own.pid && now.mark === mark) return;
  throw noSessions();
}

function noSessions(cause?: unknown): BrokerError {
  return new BrokerError(
    'ERR_CONFIG_INVALID',
    'the address of the PostgreSQL store is a connection pooler in transaction or statement mode, but the store needs sessions: connect to the server directly, or set the pooler to session mode (PgBouncer: pool_mode = session)',
    { cause },
  );
}

async function read(client: Client): Promise<Session> {
  const { rows } = await client.query<Session>(READ);
  return rows[0] ?? { pid: 0, mark: null };
}
