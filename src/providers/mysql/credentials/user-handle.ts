import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import { mysqlAccountHost } from '../config.ts';

/** The stored handle of one user, without secrets; internals/spec/mysql-user-handle-v1.md. */
const userHandle = z.strictObject({
  v: z.literal(1),
  /** The role of the mount that defines its rights. */
  set: z.string().min(1),
  /** Text from which the user's name derives. */
  intent: z.string().min(1).max(128),
  host: mysqlAccountHost,
  ttl: z.int().min(1),
});

export type UserHandle = z.infer<typeof userHandle>;

export function formatHandle(handle: UserHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not write. */
export function parseHandle(text: string): UserHandle {
  try {
    return userHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
