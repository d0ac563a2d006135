import { BrokerError } from '../../../domain/errors.ts';
import type { Page } from '../../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  CheckReport,
  DynamicCredentials,
  SecretProvider,
} from '../../../ports/secret-provider.ts';
import type { AwsAccount } from '../client/aws-account.ts';
import { parseOptions } from '../../parse-options.ts';
import { checkIdentity } from './check.ts';
import { isRoleName, roleRef, type AwsIamMountOptions } from '../config.ts';
import { RoleCredentials } from '../credentials.ts';
import { formatRoleLocation } from './role-location.ts';

/** Roles of one account: nothing can be read or listed, sessions are made to order. */
export class AwsIamProvider implements SecretProvider {
  readonly covers: string;
  readonly credentials: DynamicCredentials;
  readonly #account: AwsAccount;
  readonly #options: AwsIamMountOptions;

  constructor(account: AwsAccount, options: AwsIamMountOptions, clock: Clock) {
    this.#account = account;
    this.#options = options;
    this.covers = `roles/${options.account}/`;
    this.credentials = new RoleCredentials(account, options.partition, clock);
  }

  locate(rest: string, ref?: unknown): string {
    if (ref !== undefined) {
      return formatRoleLocation(this.#options.account, parseOptions(roleRef, ref).role);
    }
    if (isRoleName(rest)) return formatRoleLocation(this.#options.account, rest);
    throw new BrokerError('ERR_PATH_INVALID', 'below this mount a path is a role, with its path');
  }

  restOf(ref: unknown): string {
    return parseOptions(roleRef, ref).role;
  }

  read(): Promise<SecretVersion> {
    return Promise.reject(new BrokerError('ERR_NOT_FOUND'));
  }

  list(): Promise<Page<SecretListing>> {
    return Promise.resolve({ items: [] });
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkIdentity(this.#account, context);
  }
}
