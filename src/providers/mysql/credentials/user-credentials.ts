import { sha256Hex } from '../../../crypto/hashes/digest.ts';
import { generatePassword } from '../../../crypto/random/generated-value.ts';
import { mysqlNativeHash } from '../../../crypto/hashes/mysql-native-hash.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../../ports/secret-provider.ts';
import { endSessions, type MysqlAccount, passwordClause, quoteAccount } from '../client/account.ts';
import type { MysqlServer } from '../client/server.ts';
import type { MysqlSession } from '../client/session.ts';
import type { MysqlMountOptions } from '../config.ts';
import { errorNumberOf } from '../errors.ts';
import { formatHandle, parseHandle, type UserHandle } from './user-handle.ts';
import { quoteIdentifier } from '../client/quote.ts';

/** The operation failed for the account named: it exists already, or does not exist. */
const ER_CANNOT_USER = 1396;
/** Connection limit of a user whose statements set none: one credential must not take all connections of the server. */
const CONNECTION_LIMIT = 50;

/**
 * Dynamic users. The name derives from the intent, so the intent alone finds the user. It is created locked and unlocked last. The servers have no expiry
 * for users: only the broker's revocation ends one.
 */
export class UserCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #server: MysqlServer;
  readonly #options: MysqlMountOptions;

  constructor(server: MysqlServer, options: MysqlMountOptions) {
    this.#server = server;
    this.#options = options;
  }

  begin({ intentId, locator, ttlSeconds }: CredentialRequest): string {
    const set = locator.slice(locator.lastIndexOf('/') + 1);
    const host = this.#options.roles[set]?.host;
    if (host === undefined) throw new BrokerError('ERR_INTERNAL');
    return formatHandle({ v: 1, set, intent: intentId, host, ttl: ttlSeconds });
  }

  async prepare(text: string, context: CallContext): Promise<string> {
    const account = quoteAccount(accountOf(parseHandle(text)));
    await this.#server.change(context, async (session) => {
      const clause = await unknownPassword(session);
      const limit = `WITH MAX_USER_CONNECTIONS ${CONNECTION_LIMIT}`;
      await session.run(`CREATE USER IF NOT EXISTS ${account} ${clause} ${limit} ACCOUNT LOCK`);
    });
    return text;
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const handle = parseHandle(text);
    const account = quoteAccount(accountOf(handle));
    const password = new Sensitive(generatePassword({}));
    await this.#server.change(context, async (session) => {
      await refuseMissing(session, accountOf(handle));
      for (const grant of this.#grantsOf(handle)) await session.run(grant);
      const clause = await passwordClause(session, password, mysqlNativeHash);
      await session.run(`ALTER USER ${account} ${clause} ACCOUNT UNLOCK`).catch(failGone);
    });
    return {
      data: { username: accountOf(handle).username, password: password.reveal() },
      ttlSeconds: handle.ttl,
      renewable: true,
      handle: text,
    };
  }

  async renew(text: string, ttlSeconds: number, context: CallContext): Promise<number> {
    const handle = parseHandle(text);
    await this.#server.read(context, (session) => refuseMissing(session, accountOf(handle)));
    return ttlSeconds;
  }

  /**
   * The user is locked first, so that a terminated connection cannot return before the user is dropped. Connections are terminated again
   * after that: a login that began earlier uses the server's older state.
   */
  async revoke(text: string, context: CallContext): Promise<void> {
    const handle = parseHandle(text);
    const account = accountOf(handle);
    const name = quoteAccount(account);
    const grants = this.#options.roles[handle.set]?.creation;
    await this.#server.change(context, async (session) => {
      if (await exists(session, account)) {
        await session.run(`ALTER USER IF EXISTS ${name} ACCOUNT LOCK`);
        await endSessions(session, account, () => undefined);
        await session.run(`DROP USER IF EXISTS ${name}`);
        await endSessions(session, account, () => undefined);
      }
      if (grants !== undefined && !mayDefine(grants)) return;
      await clearDefined(session, account, this.#options.objects === 'drop');
    });
  }

  #grantsOf(handle: UserHandle): readonly string[] {
    const set = this.#options.roles[handle.set];
    if (set === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return set.creation.map((text) =>
      text.replace('{{name}}', () => quoteAccount(accountOf(handle))),
    );
  }
}

/** Derives the account of a handle. The name has 27 of the 32 characters that MySQL allows. */
function accountOf({ intent, host }: UserHandle): MysqlAccount {
  return { username: `qm_${sha256Hex(intent).slice(0, 24)}`, host };
}

function unknownPassword(session: MysqlSession): Promise<string> {
  return passwordClause(session, new Sensitive(generatePassword({})), mysqlNativeHash);
}

async function exists(session: MysqlSession, account: MysqlAccount): Promise<boolean> {
  const sql = 'SELECT 1 FROM mysql.user WHERE User = ? AND Host = ?';
  return (await session.ask(sql, [account.username, account.host])).length > 0;
}

/** The user may have been revoked in the meantime: GRANT must not create it again, as servers without NO_AUTO_CREATE_USER do. */
async function refuseMissing(session: MysqlSession, account: MysqlAccount): Promise<void> {
  if (!(await exists(session, account))) throw new BrokerError('ERR_NOT_FOUND');
}

function failGone(error: unknown): never {
  throw errorNumberOf(error) === ER_CANNOT_USER ? new BrokerError('ERR_NOT_FOUND') : error;
}

/** Query for objects that run with the rights of the account that defined them; objects of a dropped account fail. */
const DEFINED_OBJECTS = `
  SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE DEFINER = ?
  UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE DEFINER = ?
  UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE DEFINER = ?
  UNION ALL SELECT 'VIEW', TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE DEFINER = ?`;
const DEFINED_KINDS = new Set(['TRIGGER', 'EVENT', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'VIEW']);
/** Rights that cannot define objects; a role may include any right. */
const HARMLESS =
  /^GRANT\s+(?:(?:SELECT|INSERT|UPDATE|DELETE|EXECUTE|SHOW VIEW|LOCK TABLES|REFERENCES|USAGE|CREATE TEMPORARY TABLES)(?:\s*\([^)]*\))?\s*,?\s*)+ON\s/i;

/** Reports whether the granted rights can define objects; reading the whole catalogue is expensive. */
function mayDefine(grants: readonly string[]): boolean {
  return !grants.every((grant) => HARMLESS.test(grant));
}

/**
 * Drops the objects that the account defined, if `drops`. The account is gone by then and its name is never used again, so the objects run with no
 * account's rights.
 * @throws ERR_CONFLICT, reason `owns_objects`, if objects are left.
 */
async function clearDefined(
  session: MysqlSession,
  { username, host }: MysqlAccount,
  drops: boolean,
): Promise<void> {
  const definer = `${username}@${host}`;
  const defined = await session.ask(DEFINED_OBJECTS, [definer, definer, definer, definer]);
  if (defined.length === 0) return;
  if (!drops) throw objectsLeft(definer, defined.length);
  for (const [kind, schema, name] of defined) {
    if (typeof kind !== 'string' || !DEFINED_KINDS.has(kind))
      throw objectsLeft(definer, defined.length);
    const place = `${quoteIdentifier(schema ?? '')}.${quoteIdentifier(name ?? '')}`;
    await session.run(`DROP ${kind} IF EXISTS ${place}`);
  }
}

function objectsLeft(definer: string, count: number): BrokerError {
  const detail = `user "${definer}" is dropped; ${count} views, routines, triggers or events of it are left and fail when they are used: drop them, or set objects to drop in the mount`;
  return new BrokerError('ERR_CONFLICT', detail, { reason: 'owns_objects' });
}
