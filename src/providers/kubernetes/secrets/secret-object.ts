import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { isDataKey } from '../config.ts';

/** Limit of a Secret: etcd accepts objects of 1.5 MiB; managed fields and the base64 of a last-applied copy add to that. */
export const MAX_SECRET_BYTES = 4 * 1024 * 1024;
const MAX_KEYS = 256;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const secretObject = z.object({
  kind: z.literal('Secret'),
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  data: z.record(z.string(), z.string()).nullish(),
});

type Value = SecretData[string];

/**
 * A Secret's data, each value as text if it is UTF-8, else as base64.
 * @throws ERR_PROVIDER_MALFORMED unless the answer is the requested Secret.
 */
export function readSecretObject(
  answer: unknown,
  namespace: string,
  name: string,
): ReadonlyMap<string, Value> {
  const parsed = secretObject.safeParse(answer);
  const metadata = parsed.data?.metadata;
  if (metadata?.name !== name || metadata.namespace !== namespace) throw malformed('not_as_asked');
  const entries = Object.entries(parsed.data?.data ?? {});
  if (entries.length > MAX_KEYS) throw malformed('too_many_keys');
  return new Map(entries.map(([key, encoded]) => [checkKey(key), decode(encoded)]));
}

function checkKey(key: string): string {
  if (!isDataKey(key)) throw malformed('bad_key');
  return key;
}

function decode(encoded: string): Value {
  const bytes = Buffer.from(encoded, 'base64');
  // Node skips characters that are not base64, so another text would decode to the same value.
  if (bytes.toString('base64') !== encoded) throw malformed('bad_base64');
  try {
    return utf8.decode(bytes);
  } catch {
    return { base64: encoded };
  }
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
