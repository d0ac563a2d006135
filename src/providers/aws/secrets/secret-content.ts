import type { AwsValue } from '../client/secrets-manager.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { memberText, parseMembers } from '../../../domain/text/json-members.ts';
import { isSameSecretData } from '../../../domain/secrets/same-secret-data.ts';

const MAX_KEYS = 256;

/**
 * Text that is a JSON object becomes its members; other text and bytes become the one key `value`. A member that is not a string keeps its
 * JSON text, digits included.
 * @throws ERR_PROVIDER_MALFORMED
 */
export function toSecretData({ SecretString: text, SecretBinary: bytes }: AwsValue): SecretData {
  if (typeof text === 'string') return fromText(text);
  if (!(bytes instanceof Uint8Array)) throw malformed('no_value');
  return { value: { base64: Buffer.from(bytes).toString('base64') } };
}

/** One member, under its own key. @throws ERR_NOT_FOUND if the secret is not JSON or lacks the member. */
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

/** A lone surrogate has no UTF-8 form: two different values would be sent, encrypted and fingerprinted as one. */
function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw malformed('not_unicode');
  return text;
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}

/** Key under which the broker shows a secret that is plain text or bytes. */
const PLAIN = 'value';

/**
 * Builds the content to write so that a read returns `data`: text, bytes or JSON like the present secret. Unchanged members keep
 * their JSON form, so that a number remains one. With `jsonKey` only that member changes.
 * @throws ERR_NOT_FOUND if there is no JSON to change the member in; ERR_CONFLICT for a value that no secret at AWS can hold.
 */
export function contentOf(
  data: SecretData,
  current: AwsValue | undefined,
  jsonKey: string | undefined,
): AwsValue {
  const members = currentMembers(current);
  if (jsonKey !== undefined) return memberChanged(data, members, jsonKey);
  const content = plainContent(data, members) ?? { SecretString: jsonOf(data, members) };
  if (isSameSecretData(toSecretData(content), data)) return content;
  throw conflict('not_representable', 'a secret at AWS cannot hold this value');
}

type Members = Readonly<Record<string, unknown>>;

function currentMembers(current: AwsValue | undefined): Members | undefined {
  const text = current?.SecretString;
  const members = typeof text === 'string' ? parseMembers(text) : undefined;
  return members === undefined || Object.keys(members).length === 0 ? undefined : members;
}

function memberChanged(data: SecretData, members: Members | undefined, jsonKey: string): AwsValue {
  if (members === undefined) throw new BrokerError('ERR_NOT_FOUND');
  const value = data[jsonKey];
  if (typeof value !== 'string' || Object.keys(data).length !== 1) {
    const detail = 'the reference names one member: a value of others needs the whole secret';
    throw conflict('one_key', detail);
  }
  const changed = [...Object.entries(members), memberOf(members, jsonKey, value)];
  return { SecretString: JSON.stringify(Object.fromEntries(changed)) };
}

/** Text or bytes, if the present secret is not JSON and the value does not need JSON. */
function plainContent(data: SecretData, members: Members | undefined): AwsValue | undefined {
  const value = data[PLAIN];
  if (value === undefined || Object.keys(data).length !== 1) return undefined;
  if (typeof value !== 'string') return { SecretBinary: Buffer.from(value.base64, 'base64') };
  const isReadAsJson = parseMembers(value) !== undefined;
  return members === undefined && !isReadAsJson ? { SecretString: value } : undefined;
}

function jsonOf(data: SecretData, members: Members = {}): string {
  const entries = Object.entries(data).map(([key, value]) => {
    if (typeof value === 'string') return memberOf(members, key, value);
    throw conflict('not_text', 'a JSON secret at AWS holds text and no bytes');
  });
  return JSON.stringify(Object.fromEntries(entries));
}

function memberOf(members: Members, key: string, value: string): readonly [string, unknown] {
  const isKept = Object.hasOwn(members, key) && memberText(members[key]) === value;
  return [key, isKept ? members[key] : value];
}

function conflict(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
