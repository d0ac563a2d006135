import { z } from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import { mysqlAccountHost } from '../client/account.ts';

/** What is committed of one user; docs/spec/mysql-user-handle-v1.md. No secret is in it. */
const userHandle = z.strictObject({
  v: z.literal(1),
  /** The set of the mount that says what it may do. */
  set: z.string().min(1),
  /** From which the user's name follows. */
  intent: z.string().min(1).max(128),
  host: mysqlAccountHost,
  ttl: z.int().min(1),
});

export type UserHandle = z.infer<typeof userHandle>;

export function formatHandle(handle: UserHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not make. */
export function parseHandle(text: string): UserHandle {
  try {
    return userHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}
