import { generatePassword } from '../../../crypto/random/generated-value.ts';
import { scramVerifier } from '../../../crypto/hashes/scram-verifier.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { accountOf } from '../../../domain/identity/workload.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../../ports/secret-provider.ts';
import { isPresent } from '../client/close-role.ts';
import { changeContestedRole, isLocked } from '../client/contested-role.ts';
import { quoteIdentifier, quoteLiteral } from '../quote.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { PostgresMountOptions, RoleSet } from '../config.ts';
import { sqlStateOf } from '../errors.ts';
import { dropRole, retryContended } from './drop-role.ts';
import { formatHandle, parseHandle, roleOf } from './role-handle.ts';
import { fillStatement } from '../statements.ts';

const LABEL_LENGTH = 22;
/** PostgreSQL, appendix A: undefined_object. */
const ABSENT = '42704';
/** The connection limit of a role whose statements set none: one credential must not take all connections of the server, the broker's included. */
const CONNECTION_LIMIT = 50;
const LOCK_TIMEOUT_MS = 1000;

/**
 * Roles created by a mount's statements. The broker first creates an empty role that cannot log in, named after the intent. Issuing replaces it in one
 * transaction, so that a role revoked in between is not created again.
 */
export class RoleCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #server: PostgresServer;
  readonly #options: PostgresMountOptions;
  readonly #clock: Clock;
  /** The last request of this process for each set: of two that grant on the same table at once, the server fails one. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(server: PostgresServer, options: PostgresMountOptions, clock: Clock) {
    this.#server = server;
    this.#options = options;
    this.#clock = clock;
  }

  begin({ intentId, locator, workload, ttlSeconds }: CredentialRequest): string {
    const { namespace, serviceAccount } = accountOf(workload);
    const name = namespace === '' ? serviceAccount : `${namespace}-${serviceAccount}`;
    const label = name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .slice(0, LABEL_LENGTH);
    const set = setOf(locator);
    return formatHandle({ v: 1, set, intent: intentId, label, ttl: ttlSeconds });
  }

  async prepare(text: string, context: CallContext): Promise<string> {
    const role = roleOf(parseHandle(text));
    await this.#server
      .change(context, (session) => session.query(`CREATE ROLE ${quoteIdentifier(role)} NOLOGIN`))
      .catch((error: unknown) => {
        // An earlier attempt of this intent succeeded, but its answer was lost.
        if (!isPresent(error)) throw error;
      });
    return text;
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const handle = parseHandle(text);
    const username = roleOf(handle);
    const { creation } = this.#set(handle.set);
    const password = generatePassword({});
    const values = {
      name: username,
      password: scramVerifier(password),
      expiration: this.#expiration(handle.ttl),
    };
    const work = async (session: PostgresSession): Promise<void> => {
      await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await session.query(`DROP ROLE ${quoteIdentifier(username)}`);
      for (const template of creation) await session.query(fillStatement(template, values));
      if (creation.some((template) => /\bconnection\s+limit\b/i.test(template))) return;
      const limit = `CONNECTION LIMIT ${CONNECTION_LIMIT}`;
      await session.query(`ALTER ROLE ${quoteIdentifier(username)} ${limit}`);
    };
    const order = (): Promise<void> => retryContended(() => this.#server.change(context, work));
    await this.#inTurn(handle.set, order).catch(blocked).catch(absent);
    const data = { username, password };
    return { data, ttlSeconds: handle.ttl, renewable: true, handle: text };
  }

  /** @throws ERR_NOT_FOUND for a missing role. */
  async renew(text: string, ttlSeconds: number, context: CallContext): Promise<number> {
    const role = roleOf(parseHandle(text));
    const expiration = quoteLiteral(this.#expiration(ttlSeconds));
    const statement = `ALTER ROLE ${quoteIdentifier(role)} VALID UNTIL ${expiration}`;
    await changeContestedRole(this.#server, role, context, async (session) => {
      const [row] = await session.query('SELECT rolcanlogin FROM pg_roles WHERE rolname = $1', [
        role,
      ]);
      // A revocation closed it and could not drop it: it must not get a later expiry.
      if (row?.[0] !== 't') throw new BrokerError('ERR_NOT_FOUND');
      await session.query(statement);
    }).catch(absent);
    return ttlSeconds;
  }

  async revoke(text: string, context: CallContext): Promise<void> {
    const handle = parseHandle(text);
    // The role is dropped even if the mount no longer has its set.
    const revocation = this.#options.roles[handle.set]?.revocation ?? [];
    const terms = { heir: this.#options.heir, revocation };
    await dropRole(this.#server, roleOf(handle), terms, context);
  }

  #inTurn<T>(set: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(set) ?? Promise.resolve()).then(work, work);
    this.#last.set(
      set,
      mine.catch(() => undefined),
    );
    return mine;
  }

  #set(name: string): RoleSet {
    const { roles } = this.#options;
    const set = Object.hasOwn(roles, name) ? roles[name] : undefined;
    if (set === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return set;
  }

  #expiration(seconds: number): string {
    return new Date(this.#clock.now() + seconds * 1000).toISOString();
  }
}

/**
 * Reports that another session locks the object of a GRANT. PostgreSQL 18 waits in GRANT for locks on the table, which any role
 * that may write to it can take.
 */
function blocked(error: unknown): never {
  if (!isLocked(error)) throw error;
  throw new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'blocked', cause: error });
}

function absent(error: unknown): never {
  if (sqlStateOf(error) !== ABSENT) throw error;
  throw new BrokerError('ERR_NOT_FOUND', undefined, { cause: error });
}

export const CREDENTIALS = 'credentials/';

/** Reads the set of statements that a locator `credentials/<set>` names. @throws ERR_INTERNAL for any other text. */
function setOf(locator: string): string {
  if (!locator.startsWith(CREDENTIALS)) throw new BrokerError('ERR_INTERNAL');
  return locator.slice(CREDENTIALS.length);
}
