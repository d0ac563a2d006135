import { z } from 'zod';
import { BrokerError } from '../../../domain/errors.ts';

/** All that is sent to STS for one credential; docs/spec/aws-role-handle-v1.md. No secret in it. */
const roleHandle = z.strictObject({
  v: z.literal(1),
  role: z.string(),
  session: z.string(),
  seconds: z.int(),
  policy: z.string().optional(),
  policyArns: z.array(z.string()).optional(),
  externalId: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
export type RoleHandle = z.infer<typeof roleHandle>;

export function formatHandle(handle: RoleHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not make. */
export function parseHandle(text: string): RoleHandle {
  try {
    return roleHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
