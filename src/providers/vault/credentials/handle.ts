import { z } from 'zod';
import { BrokerError } from '../../../domain/errors.ts';

/** What is committed of one dynamic credential; docs/spec/vault-credential-handle-v1.md. No secret is in it. */
const handleSchema = z.strictObject({
  v: z.literal(1),
  intent: z.string().min(1).max(128),
  /** The encoded API path that makes the credential, and how to ask. */
  path: z.string().min(1),
  method: z.enum(['GET', 'POST']),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  ttl: z.int().min(1),
  /** Of the orphan token, from `prepare` on. */
  accessor: z.string().min(1).optional(),
  /** From `issue` on. */
  lease: z.string().min(1).optional(),
});

export type CredentialHandle = z.infer<typeof handleSchema>;

export function printHandle(handle: CredentialHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL when the text is not a handle of version 1. */
export function parseHandle(text: string): CredentialHandle {
  try {
    return handleSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
