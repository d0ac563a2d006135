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
import { clearDefined, mayDefine } from './definer-objects.ts';
import { formatHandle, parseHandle, type UserHandle } from './user-handle.ts';

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
