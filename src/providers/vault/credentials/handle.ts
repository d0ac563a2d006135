import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';

/** The committed data of one dynamic credential; internals/spec/vault-credential-handle-v1.md. It contains no secret. */
const handleSchema = z.strictObject({
  v: z.literal(1),
  intent: z.string().min(1).max(128),
  /** The encoded API path that creates the credential, and the request's method and data. */
  path: z.string().min(1),
  method: z.enum(['GET', 'POST']),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  ttl: z.int().min(1),
  /** The accessor of the orphan token, from `prepare` on. */
  accessor: z.string().min(1).optional(),
  /** Lease of the credential, set from `issue` on. */
  lease: z.string().min(1).optional(),
});

export type CredentialHandle = z.infer<typeof handleSchema>;

export function printHandle(handle: CredentialHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL unless the text is a handle of version 1. */
export function parseHandle(text: string): CredentialHandle {
  try {
    return handleSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
