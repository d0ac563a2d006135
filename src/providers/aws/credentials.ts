import { BrokerError } from '../../domain/errors.ts';
import type { Workload } from '../../domain/workload.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../ports/secret-provider.ts';
import type { AwsAccount } from './client/aws-account.ts';
import { parseOptions } from '../parse-options.ts';
import { MIN_SESSION_SECONDS, roleRef } from './config.ts';
import { formatHandle, parseHandle } from './iam/role-handle.ts';
import { roleArnOf } from './iam/role-location.ts';

const LONGEST_NAME = 64;

/**
 * Sessions of a role (STS AssumeRole). AWS cannot take back one session: it ends by itself, after 15 minutes at the earliest. Its name begins with
 * the workload's and ends with the credential's, so that CloudTrail says for whom it was made.
 */
export class RoleCredentials implements DynamicCredentials {
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

  /** A session hangs on nothing. */
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

  /** @throws ERR_CONFLICT always: a session's end is signed into it. */
  renew(): Promise<number> {
    const detail = 'a session of a role is not renewable: ask for another credential';
    return Promise.reject(new BrokerError('ERR_CONFLICT', detail));
  }

  /** The session ends by itself. */
  revoke(text: string): Promise<void> {
    return Promise.resolve(text).then((handle) => {
      parseHandle(handle);
    });
  }
}

/** `payments.api-cred_…`: the workload as far as there is room, the credential whole. */
function sessionName({ namespace, serviceAccount }: Workload, intentId: string): string {
  const intent = clean(intentId).slice(-LONGEST_NAME);
  const room = LONGEST_NAME - intent.length - 1;
  return room < 1 ? intent : `${clean(`${namespace}.${serviceAccount}`).slice(0, room)}-${intent}`;
}

function clean(text: string): string {
  return text.replace(/[^\w+=,.@-]/g, '-');
}
