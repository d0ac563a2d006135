import { decodeBase64 } from '../crypto/base64.ts';
import { VerifyingKey } from '../crypto/signing.ts';
import { parsePlace } from './entry.ts';
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

/** The key that the first entry of a boot announces. Undefined unless the entry is `broker.start` and the log key endorsed the key. */
export function announcedKey(entry: string, logKey: VerifyingKey): VerifyingKey | undefined {
  const place = parsePlace(entry);
  const start = parse(entry);
  if (place?.seq !== 1 || textMember(start, 'action') !== 'broker.start') return undefined;
  const boot = (start as { readonly boot?: unknown }).boot;
  const publicKey = textMember(boot, 'key');
  const key = decodeBase64(publicKey);
  const endorsement = decodeBase64(textMember(boot, 'endorsement'));
  if (key?.length !== 32 || endorsement === undefined) return undefined;
  const message = bootMessage(place.writer, publicKey);
  return logKey.verifies(message, endorsement) ? new VerifyingKey(key) : undefined;
}
