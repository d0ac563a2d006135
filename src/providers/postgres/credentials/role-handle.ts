import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';

const roleHandle = z.strictObject({
  v: z.literal(1),
  /** Name of the mount's set of statements. */
  set: z.string(),
  intent: z.string().regex(/^[a-z0-9_]{1,37}$/),
  /** Owner of the role, for people who read the server's role list. */
  label: z.string().regex(/^[a-z0-9-]{1,22}$/),
  ttl: z.int().min(1),
});

/** The data that revokes a role; internals/spec/postgres-role-handle-v1.md. It contains no secret. */
export type RoleHandle = z.infer<typeof roleHandle>;

/** @throws ERR_INTERNAL for a handle that could not be parsed again. */
export function formatHandle(handle: RoleHandle): string {
  const text = JSON.stringify(handle);
  parseHandle(text);
  return text;
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not write. */
export function parseHandle(text: string): RoleHandle {
  try {
    return roleHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}

/** Builds the role's name, at most 63 bytes: `qm-<label>-<intent>`. */
export function roleOf({ label, intent }: RoleHandle): string {
  return `qm-${label}-${intent}`;
}
