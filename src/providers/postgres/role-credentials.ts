import { generatePassword } from '../../crypto/generated-value.ts';
import { scramVerifier } from '../../crypto/scram-verifier.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../ports/secret-provider.ts';
import { sqlStateOf } from '../../upstream/postgres/postgres-error.ts';
import type { PostgresServer } from '../../upstream/postgres/postgres-server.ts';
import { quoteIdentifier, quoteLiteral } from '../../upstream/postgres/quote.ts';
import type { PostgresSession } from '../../upstream/postgres/session.ts';
import type { RoleSet, RoleSets } from './config.ts';
import { dropRole } from './drop-role.ts';
import { fillStatement } from './fill-statement.ts';
import { formatHandle, parseHandle, roleOf } from './role-handle.ts';
import { holdGrants, holdRole } from './hold-role.ts';
import { setOf } from './location.ts';

const LABEL_LENGTH = 22;
/** PostgreSQL, appendix A: undefined_object, duplicate_object. */
const ABSENT = '42704';
const PRESENT = '42710';

/**
 * Roles made from a mount's statements. An empty role that cannot log in comes first, under the name that follows from the intent; what is issued
 * takes its place in one transaction, so that where it was taken back in between nothing comes to be.
 */
export class RoleCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #server: PostgresServer;
  readonly #sets: RoleSets;
  readonly #clock: Clock;

  constructor(server: PostgresServer, sets: RoleSets, clock: Clock) {
    this.#server = server;
    this.#sets = sets;
    this.#clock = clock;
  }

  begin({ intentId, locator, workload, ttlSeconds }: CredentialRequest): string {
    const label = `${workload.namespace}-${workload.serviceAccount}`
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .slice(0, LABEL_LENGTH);
    const set = setOf(locator);
    return formatHandle({ v: 1, set, intent: intentId, label, ttl: ttlSeconds });
  }

  async prepare(text: string, context: CallContext): Promise<string> {
    const role = roleOf(parseHandle(text));
    await this.#server
      .change(context, async (session) => {
        await holdRole(session, role);
        await holdGrants(session);
        await session.query(`CREATE ROLE ${quoteIdentifier(role)} NOLOGIN`);
      })
      .catch((error: unknown) => {
        // An earlier try of this intent that was not heard to succeed.
        if (sqlStateOf(error) !== PRESENT) throw error;
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
    await this.#server
      .change(context, async (session) => {
        await holdRole(session, username);
        await holdGrants(session);
        await session.query(`DROP ROLE ${quoteIdentifier(username)}`);
        for (const template of creation) await session.query(fillStatement(template, values));
      })
      .catch(absent);
    const data = { username, password };
    return { data, ttlSeconds: handle.ttl, renewable: true, handle: text };
  }

  /** @throws ERR_NOT_FOUND for a role that is gone. */
  async renew(text: string, ttlSeconds: number, context: CallContext): Promise<number> {
    const role = roleOf(parseHandle(text));
    const expiration = quoteLiteral(this.#expiration(ttlSeconds));
    await this.#server
      .change(context, async (session: PostgresSession) => {
        await holdRole(session, role);
        await session.query(`ALTER ROLE ${quoteIdentifier(role)} VALID UNTIL ${expiration}`);
      })
      .catch(absent);
    return ttlSeconds;
  }

  async revoke(text: string, context: CallContext): Promise<void> {
    const handle = parseHandle(text);
    // A set that the mount no longer has: the role goes all the same.
    const revocation = this.#sets[handle.set]?.revocation ?? [];
    await dropRole(this.#server, roleOf(handle), revocation, context);
  }

  #set(name: string): RoleSet {
    const set = Object.hasOwn(this.#sets, name) ? this.#sets[name] : undefined;
    if (set === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return set;
  }

  #expiration(seconds: number): string {
    return new Date(this.#clock.now() + seconds * 1000).toISOString();
  }
}

function absent(error: unknown): never {
  if (sqlStateOf(error) !== ABSENT) throw error;
  throw new BrokerError('ERR_NOT_FOUND', undefined, { cause: error });
}
