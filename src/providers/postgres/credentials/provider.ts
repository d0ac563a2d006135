import { BrokerError } from '../../../domain/errors.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  CheckReport,
  DynamicCredentials,
  SecretProvider,
} from '../../../ports/secret-provider.ts';
import { parseOptions } from '../../parse-options.ts';
import { checkServer } from '../check.ts';
import type { PostgresServer } from '../client/server.ts';
import { type PostgresMountOptions, roleRef } from '../config.ts';
import { CREDENTIALS, RoleCredentials } from './role-credentials.ts';

/** Dynamic roles only, no secrets to read: `<mount>/<role>` names the kind of role. */
export class PostgresProvider implements SecretProvider {
  readonly covers = CREDENTIALS;
  readonly credentials: DynamicCredentials;
  readonly #server: PostgresServer;
  readonly #options: PostgresMountOptions;

  constructor(server: PostgresServer, options: PostgresMountOptions, clock: Clock) {
    this.#server = server;
    this.#options = options;
    this.credentials = new RoleCredentials(server, options, clock);
  }

  locate(rest: string, ref?: unknown): string {
    const name = ref === undefined ? rest : parseOptions(roleRef, ref).role;
    if (Object.hasOwn(this.#options.roles, name)) return `${CREDENTIALS}${name}`;
    if (ref === undefined) {
      throw new BrokerError(
        'ERR_PATH_INVALID',
        'a path below this mount must name one of its roles',
      );
    }
    throw new BrokerError('ERR_BODY_INVALID', undefined, {
      problems: [{ pointer: '/role', message: 'is not a role of the mount' }],
    });
  }

  restOf(ref: unknown): string {
    return parseOptions(roleRef, ref).role;
  }

  /** @throws ERR_NOT_FOUND always. */
  read(): Promise<SecretVersion> {
    return Promise.reject(new BrokerError('ERR_NOT_FOUND'));
  }

  list(prefix: string, page: PageRequest): Promise<Page<SecretListing>> {
    const all = prefix === '' ? Object.keys(this.#options.roles).sort() : [];
    const rest = all.filter((name) => name > (page.after ?? ''));
    const items = rest.slice(0, page.limit).map((name) => ({ name }));
    const next = rest.length > items.length ? items.at(-1)?.name : undefined;
    return Promise.resolve({ items, next });
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkServer(this.#server, context, this.#options);
  }
}
