import type { SecretData } from '../../../domain/secret.ts';
import { sortedKeys } from './text-entries.ts';

/** One object (RFC 8259). Bytes are `{"base64": "…"}`, as the broker's API has them. */
export function renderJson(data: SecretData): Buffer {
  const ordered = sortedKeys(data).map((key) => [key, data[key]] as const);
  return Buffer.from(`${JSON.stringify(Object.fromEntries(ordered), null, 2)}\n`);
}
