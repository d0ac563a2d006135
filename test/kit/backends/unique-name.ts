import { randomBytes } from 'node:crypto';

/** A name that no other suite uses, so that suites share one server; letters, digits and a dash, which every backend accepts. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}
