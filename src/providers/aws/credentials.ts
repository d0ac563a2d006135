import { BrokerError } from '../../domain/errors.ts';
import { accountOf, type Workload } from '../../domain/identity/workload.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
  CheckReport,
  SecretProvider,
} from '../../ports/secret-provider.ts';
import type { AwsAccount } from './client/account.ts';
import { parseOptions } from '../parse-options.ts';
import { MIN_SESSION_SECONDS, roleRef, isRoleName, type AwsIamMountOptions } from './config.ts';
import type { Page } from '../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../domain/secrets/secret.ts';
import { checkIdentity } from './check.ts';
import * as z from 'zod';

const LONGEST_NAME = 64;

/**
 * Sessions of a role (STS AssumeRole). AWS cannot revoke one session: it expires, after 15 minutes at the earliest. The session's
 * name begins with the workload's and ends with the credential's, so CloudTrail shows the workload.
 */
class RoleCredentials implements DynamicCredentials {
  readonly revocation = 'expires-only';
  readonly shortestSeconds = MIN_SESSION_SECONDS;
  readonly #account: AwsAccount;
  readonly #partition: string;
  readonly #clock: Clock;

  constructor(account: AwsAccount, partition: string, clock: Clock) {
    this.#account = account;
    this.#partition = partition;
    this.#clock = clock;
  }

  begin({ intentId, locator, workload, ttlSeconds, ref }: CredentialRequest): string {
    const options = ref === undefined ? undefined : parseOptions(roleRef, ref);
    const { policy, policyArns, externalId, tags, maxSeconds = 3600 } = options ?? {};
    return formatHandle({
      v: 1,
      role: roleArnOf(locator, this.#partition),
      session: sessionName(workload, intentId),
      seconds: Math.max(MIN_SESSION_SECONDS, Math.min(ttlSeconds, maxSeconds)),
      ...(policy !== undefined && { policy: JSON.stringify(policy) }),
      ...(policyArns !== undefined && { policyArns }),
      ...(externalId !== undefined && { externalId }),
      ...(tags !== undefined && { tags }),
    });
  }

  /** A session needs no preparation. */
  prepare(text: string): Promise<string> {
    return Promise.resolve(formatHandle(parseHandle(text)));
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const { role: roleArn, session: sessionName, ...rest } = parseHandle(text);
    const made = await this.#account.assumeRole({ roleArn, sessionName, ...rest }, context);
    const left = Math.floor((made.endsAt - this.#clock.now()) / 1000);
    if (left <= 0) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'expired_session' });
    }
    const data = {
      accessKeyId: made.id,
      secretAccessKey: made.secret.reveal(),
      sessionToken: made.sessionToken.reveal(),
      expiration: new Date(made.endsAt).toISOString(),
    };
    return { data, ttlSeconds: left, renewable: false, handle: text };
  }

  /** @throws ERR_CONFLICT always: a session's expiry is part of its signature. */
  renew(): Promise<number> {
    const detail = 'a session of a role is not renewable: request another credential';
    return Promise.reject(new BrokerError('ERR_CONFLICT', detail));
  }

  /** The session expires by itself. */
  revoke(text: string): Promise<void> {
    return Promise.resolve(text).then((handle) => {
      parseHandle(handle);
    });
  }
}

/** Names a session `payments.api-cred_…`: the workload, truncated to fit, and the whole credential id. */
function sessionName(workload: Workload, intentId: string): string {
  const { namespace, serviceAccount } = accountOf(workload);
  const name = namespace === '' ? serviceAccount : `${namespace}.${serviceAccount}`;
  const intent = clean(intentId).slice(-LONGEST_NAME);
  const room = LONGEST_NAME - intent.length - 1;
  return room < 1 ? intent : `${clean(name).slice(0, room)}-${intent}`;
}

function clean(text: string): string {
  return text.replace(/[^\w+=,.@-]/g, '-');
}

/** Roles of one account. It issues sessions; there is nothing to read or list. */
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

/** The complete STS request for one credential; internals/spec/aws-role-handle-v1.md. It contains no secret. */
const roleHandle = z.strictObject({
  v: z.literal(1),
  role: z.string(),
  session: z.string(),
  seconds: z.int(),
  policy: z.string().optional(),
  policyArns: z.array(z.string()).optional(),
  externalId: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
export type RoleHandle = z.infer<typeof roleHandle>;

function formatHandle(handle: RoleHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not write. */
function parseHandle(text: string): RoleHandle {
  try {
    return roleHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}

/** Formats `roles/<account>/<path and name>`, with each segment encoded. */
function formatRoleLocation(account: string, role: string): string {
  return ['roles', account, ...role.split('/').map(encodeURIComponent)].join('/');
}

/** Reads the ARN of the role from a locator that `formatRoleLocation` wrote. */
function roleArnOf(locator: string, partition: string): string {
  const [, account = '', ...segments] = locator.split('/').map(decodeURIComponent);
  return `arn:${partition}:iam::${account}:role/${segments.join('/')}`;
}
