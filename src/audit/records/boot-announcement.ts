import { decodeBase64 } from '../../crypto/random/base64.ts';
import { VerifyingKey } from '../../crypto/signatures/signing.ts';
import { parsePosition } from './entry.ts';
import { bootMessage } from './signed-messages.ts';

function textMember(value: unknown, name: string): string {
  if (typeof value !== 'object' || value === null) return '';
  const member = (value as Readonly<Record<string, unknown>>)[name];
  return typeof member === 'string' ? member : '';
}

function parse(entry: string): unknown {
  try {
    return JSON.parse(entry);
  } catch {
    return undefined;
  }
}

/** The key of a boot and the log key's signature over it, both in base64. */
export interface Announcement {
  readonly key: string;
  readonly endorsement: string;
}

/** The key and endorsement that the first entry of a boot announces. Undefined for any other entry. */
export function announcement(entry: string): Announcement | undefined {
  const start = parse(entry);
  if (parsePosition(entry)?.seq !== 1 || textMember(start, 'action') !== 'broker.start')
    return undefined;
  const boot = (start as { readonly boot?: unknown }).boot;
  return { key: textMember(boot, 'key'), endorsement: textMember(boot, 'endorsement') };
}

/** The key of a boot. Undefined unless the log key endorsed it. */
export function endorsedKey(
  writer: string,
  announced: Announcement,
  logKey: VerifyingKey,
): VerifyingKey | undefined {
  const key = decodeBase64(announced.key);
  const endorsement = decodeBase64(announced.endorsement);
  if (key?.length !== 32 || endorsement === undefined) return undefined;
  const message = bootMessage(writer, announced.key);
  return logKey.verifies(message, endorsement) ? new VerifyingKey(key) : undefined;
}

/** The key that the first entry of a boot announces. Undefined unless the entry is `broker.start` and the log key endorsed the key. */
export function announcedKey(entry: string, logKey: VerifyingKey): VerifyingKey | undefined {
  const [writer, announced] = [parsePosition(entry)?.writer, announcement(entry)];
  if (writer === undefined || announced === undefined) return undefined;
  return endorsedKey(writer, announced, logKey);
}
