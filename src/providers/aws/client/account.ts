import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallState } from '../../../ports/backend.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type * as IamSdk from '@aws-sdk/client-iam';
import type * as StsSdk from '@aws-sdk/client-sts';
import { BrokerError } from '../../../domain/errors.ts';
import type { Guard } from '../../guard/guard.ts';
import { awsAttempt } from '../errors.ts';
import { clientOptions } from './client-options.ts';
import type { AwsAccess } from '../config.ts';

/** One access key of an IAM user, without its secret. */
export interface ListedKey {
  readonly id: string;
  readonly isActive: boolean;
  /** Milliseconds since the epoch, in whole seconds. */
  readonly createdAt: number;
}

export interface AccessKey {
  readonly id: string;
  readonly secret: Sensitive<string>;
}

/** The AssumeRole request; internals/spec/aws-role-handle-v1.md. */
export interface RoleSession {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly seconds: number;
  readonly policy?: string | undefined;
  readonly policyArns?: readonly string[] | undefined;
  readonly externalId?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface RoleCredentials extends AccessKey {
  readonly sessionToken: Sensitive<string>;
  /** Milliseconds since the epoch. */
  readonly endsAt: number;
}

/**
 * IAM and STS of one account, under the configured identity. Each call goes through the connection's guard. Failures are BrokerErrors:
 * ERR_NOT_FOUND, ERR_PROVIDER_*; `cause` is an `AwsRefusal`.
 */
export interface AwsAccount {
  readonly region: string;
  listKeys(username: string, context: CallContext): Promise<readonly ListedKey[]>;
  createKey(username: string, context: CallContext): Promise<AccessKey>;
  activateKey(username: string, id: string, context: CallContext): Promise<void>;
  deactivateKey(username: string, id: string, context: CallContext): Promise<void>;
  deleteKey(username: string, id: string, context: CallContext): Promise<void>;
  /** Reports whether AWS recorded a request signed with the key. */
  wasKeyUsed(id: string, context: CallContext): Promise<boolean>;
  /** The ARN of a key's identity; without a key, the broker's own. */
  fetchIdentity(key: AccessKey | undefined, context: CallContext): Promise<string>;
  assumeRole(session: RoleSession, context: CallContext): Promise<RoleCredentials>;
  calls(): CallState;
  close(): void;
}

const MAX_ANSWER_BYTES = 256 * 1024;
const KEY_ID = /^[A-Za-z0-9_-]{16,128}$/;

/** Loads both SDKs only if a connection uses them, because they cost memory and start-up time. Opens no connection yet. */
export async function connectAwsAccount(
  access: AwsAccess & { readonly stsEndpoint?: string | undefined },
  guard: Guard,
): Promise<AwsAccount> {
  const [iam, sts] = await Promise.all([
    import('@aws-sdk/client-iam'),
    import('@aws-sdk/client-sts'),
  ]);
  const { region, profile, endpoint, stsEndpoint } = access;
  const iamOptions = clientOptions({ region, profile, endpoint }, MAX_ANSWER_BYTES);
  const stsOptions = clientOptions({ region, profile, endpoint: stsEndpoint }, MAX_ANSWER_BYTES);
  return new GuardedAccount(
    { sdk: iam, client: new iam.IAMClient(iamOptions) },
    { sdk: sts, options: stsOptions, client: new sts.STSClient(stsOptions) },
    { region, guard },
  );
}

interface Iam {
  readonly sdk: typeof IamSdk;
  readonly client: IamSdk.IAMClient;
}
interface Sts {
  readonly sdk: typeof StsSdk;
  readonly options: ReturnType<typeof clientOptions>;
  readonly client: StsSdk.STSClient;
}

class GuardedAccount implements AwsAccount {
  readonly region: string;
  readonly #iam: Iam;
  readonly #sts: Sts;
  readonly #guard: Guard;

  constructor(iam: Iam, sts: Sts, parts: { readonly region: string; readonly guard: Guard }) {
    this.region = parts.region;
    this.#iam = iam;
    this.#sts = sts;
    this.#guard = parts.guard;
  }

  async listKeys(username: string, context: CallContext): Promise<readonly ListedKey[]> {
    const { client, sdk } = this.#iam;
    const answer = await this.#read(context, (abortSignal) =>
      client.send(new sdk.ListAccessKeysCommand({ UserName: username }), { abortSignal }),
    );
    const listed: unknown = answer.AccessKeyMetadata ?? [];
    if (!Array.isArray(listed)) throw malformed('not_a_list');
    return (listed as IamSdk.AccessKeyMetadata[]).map(listedKey);
  }

  async createKey(username: string, context: CallContext): Promise<AccessKey> {
    const { client, sdk } = this.#iam;
    const answer = await this.#effect(context, (abortSignal) =>
      client.send(new sdk.CreateAccessKeyCommand({ UserName: username }), { abortSignal }),
    );
    return accessKey(answer.AccessKey?.AccessKeyId, answer.AccessKey?.SecretAccessKey);
  }

  activateKey(username: string, id: string, context: CallContext): Promise<void> {
    return this.#setStatus({ UserName: username, AccessKeyId: id, Status: 'Active' }, context);
  }

  deactivateKey(username: string, id: string, context: CallContext): Promise<void> {
    return this.#setStatus({ UserName: username, AccessKeyId: id, Status: 'Inactive' }, context);
  }

  async deleteKey(username: string, id: string, context: CallContext): Promise<void> {
    const { client, sdk } = this.#iam;
    const command = new sdk.DeleteAccessKeyCommand({ UserName: username, AccessKeyId: id });
    await this.#effect(context, (abortSignal) => client.send(command, { abortSignal }));
  }

  async wasKeyUsed(id: string, context: CallContext): Promise<boolean> {
    const { client, sdk } = this.#iam;
    const command = new sdk.GetAccessKeyLastUsedCommand({ AccessKeyId: id });
    const answer = await this.#read(context, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    return answer.AccessKeyLastUsed?.LastUsedDate !== undefined;
  }

  async fetchIdentity(key: AccessKey | undefined, context: CallContext): Promise<string> {
    const { sdk, options, client: own } = this.#sts;
    const answer = await this.#read(context, async (abortSignal) => {
      const command = new sdk.GetCallerIdentityCommand({});
      if (key === undefined) return own.send(command, { abortSignal });
      // An SDK client has one identity.
      const credentials = { accessKeyId: key.id, secretAccessKey: key.secret.reveal() };
      const client = new sdk.STSClient({ ...options, credentials });
      return client.send(command, { abortSignal }).finally(() => client.destroy());
    });
    if (typeof answer.Arn === 'string') return answer.Arn;
    throw malformed('no_arn');
  }

  async assumeRole(session: RoleSession, context: CallContext): Promise<RoleCredentials> {
    const { client, sdk } = this.#sts;
    const command = new sdk.AssumeRoleCommand(assumption(session));
    const { Credentials: made } = await this.#effect(context, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    const endsAt = made?.Expiration instanceof Date ? made.Expiration.getTime() : Number.NaN;
    const token: unknown = made?.SessionToken;
    if (typeof token !== 'string' || token === '' || !Number.isSafeInteger(endsAt)) {
      throw malformed('no_credentials');
    }
    const key = accessKey(made?.AccessKeyId, made?.SecretAccessKey);
    return { ...key, sessionToken: new Sensitive(token), endsAt };
  }

  calls(): CallState {
    return this.#guard.state();
  }

  close(): void {
    this.#iam.client.destroy();
    this.#sts.client.destroy();
  }

  async #setStatus(
    request: IamSdk.UpdateAccessKeyCommandInput,
    context: CallContext,
  ): Promise<void> {
    const { client, sdk } = this.#iam;
    const command = new sdk.UpdateAccessKeyCommand(request);
    await this.#effect(context, (abortSignal) => client.send(command, { abortSignal }));
  }

  #read<T>(context: CallContext, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#guard.read(context, (signal) => awsAttempt(signal, () => call(signal)));
  }

  #effect<T>(context: CallContext, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#guard.effect(context, (signal) => awsAttempt(signal, () => call(signal)));
  }
}

function assumption(session: RoleSession): StsSdk.AssumeRoleCommandInput {
  const { policy, policyArns, externalId, tags } = session;
  return {
    RoleArn: session.roleArn,
    RoleSessionName: session.sessionName,
    DurationSeconds: session.seconds,
    ...(policy !== undefined && { Policy: policy }),
    ...(policyArns !== undefined && { PolicyArns: policyArns.map((arn) => ({ arn })) }),
    ...(externalId !== undefined && { ExternalId: externalId }),
    ...(tags !== undefined && {
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    }),
  };
}

function listedKey({ AccessKeyId, Status, CreateDate }: IamSdk.AccessKeyMetadata): ListedKey {
  const createdAt = CreateDate instanceof Date ? CreateDate.getTime() : Number.NaN;
  if (typeof AccessKeyId !== 'string' || !Number.isFinite(createdAt)) throw malformed('no_key');
  return { id: AccessKeyId, isActive: Status === 'Active', createdAt };
}

function accessKey(id: unknown, secret: unknown): AccessKey {
  if (typeof id !== 'string' || !KEY_ID.test(id)) throw malformed('no_key');
  if (typeof secret !== 'string' || secret === '') throw malformed('no_key');
  return { id, secret: new Sensitive(secret) };
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
