import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';

const tokenHandle = z.strictObject({
  v: z.literal(1),
  namespace: z.string(),
  serviceAccount: z.string(),
  audiences: z.array(z.string()),
  /** What the lease may be; the token itself lives no less than Kubernetes' floor, unless revoked. */
  ttl: z.int(),
  anchor: z.string(),
  /** Known once the anchor exists. */
  uid: z.string().optional(),
});

/** All that is needed to take a token back; docs/spec/kubernetes-token-handle-v1.md. No secret in it. */
export type TokenHandle = z.infer<typeof tokenHandle>;

export function formatHandle(handle: TokenHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not make. */
export function parseHandle(text: string): TokenHandle {
  try {
    return tokenHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
