import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secret.ts';
import { memberText, parseMembers } from '../../../domain/json-members.ts';

const MAX_KEYS = 256;

/** What a secret holds at AWS: text, or bytes. */
export interface AwsValue {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
}

/**
 * Text that is a JSON object becomes its members, other text and bytes the one key `value`. A member that is not a string keeps its JSON
 * text, digits included. @throws ERR_PROVIDER_MALFORMED
 */
export function toSecretData({ SecretString: text, SecretBinary: bytes }: AwsValue): SecretData {
  if (typeof text === 'string') return fromText(text);
  if (!(bytes instanceof Uint8Array)) throw malformed('no_value');
  return { value: { base64: Buffer.from(bytes).toString('base64') } };
}

/** One member, under its own key. @throws ERR_NOT_FOUND when the secret is not JSON or has no such member. */
export function pickMember(value: AwsValue, key: string): SecretData {
  const members =
    typeof value.SecretString === 'string' ? membersOf(value.SecretString) : undefined;
  const member = members?.find(([name]) => name === key)?.[1];
  if (member === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return Object.fromEntries([[key, member]]);
}

function fromText(text: string): SecretData {
  const members = membersOf(text);
  if (members === undefined || members.length === 0) return { value: wellFormed(text) };
  if (members.length > MAX_KEYS) throw malformed('too_many_keys');
  return Object.fromEntries(members);
}

type Member = readonly [string, string];

function membersOf(text: string): readonly Member[] | undefined {
  const parsed = parseMembers(text);
  if (parsed === undefined) return undefined;
  return Object.entries(parsed).map(([key, value]) => [
    wellFormed(key),
    wellFormed(memberText(value)),
  ]);
}

/** Half a surrogate pair has no UTF-8 form: two values would be sent, sealed and fingerprinted as one. */
function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw malformed('not_unicode');
  return text;
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
