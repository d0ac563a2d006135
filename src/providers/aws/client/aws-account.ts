import type { Sensitive } from '../../../domain/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';

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

/** AssumeRole as it is sent; docs/spec/aws-role-handle-v1.md. */
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
 * IAM and STS of one account, as whom the configuration says; every call goes through the connection's guard.
 * Failures are BrokerErrors: ERR_NOT_FOUND, ERR_PROVIDER_*; `cause` is an `AwsRefusal`.
 */
export interface AwsAccount {
  readonly region: string;
  listKeys(username: string, context: CallContext): Promise<readonly ListedKey[]>;
  createKey(username: string, context: CallContext): Promise<AccessKey>;
  activateKey(username: string, id: string, context: CallContext): Promise<void>;
  deactivateKey(username: string, id: string, context: CallContext): Promise<void>;
  deleteKey(username: string, id: string, context: CallContext): Promise<void>;
  /** Whether a request was ever signed with it, as far as AWS has heard. */
  wasKeyUsed(id: string, context: CallContext): Promise<boolean>;
  /** The ARN that a key stands for; without one, the broker's own. */
  identityOf(key: AccessKey | undefined, context: CallContext): Promise<string>;
  assumeRole(session: RoleSession, context: CallContext): Promise<RoleCredentials>;
  close(): void;
}
