import { randomBytes } from 'node:crypto';

/** A name no other suite has, so that suites share one server; letters, digits and a dash, as every backend accepts. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}
