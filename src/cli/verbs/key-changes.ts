import { isSameSecretData } from '../../domain/secrets/same-secret-data.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import type { SecretData } from '../input/secret-values.ts';

/** Names of keys, never their values. */
export interface KeyChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly same: readonly string[];
}

export function keyChanges(before: SecretData, after: SecretData): KeyChanges {
  const [old, now] = [Object.keys(before), Object.keys(after)];
  const both = old.filter((key) => Object.hasOwn(after, key));
  const isSame = (key: string): boolean => isSameSecretData(only(before, key), only(after, key));
  return {
    added: now.filter((key) => !Object.hasOwn(before, key)),
    changed: both.filter((key) => !isSame(key)),
    removed: old.filter((key) => !Object.hasOwn(after, key)),
    same: both.filter(isSame),
  };
}

function only(data: SecretData, key: string): SecretData {
  return Object.fromEntries([[key, data[key] ?? '']]);
}

/** One line for each key that differs. */
export function keyChangesText({ added, changed, removed, same }: KeyChanges): string {
  const lines = [
    ...added.map((key) => coloured('green', `+ ${printable(key)}`)),
    ...changed.map((key) => coloured('yellow', `~ ${printable(key)}`)),
    ...removed.map((key) => coloured('red', `- ${printable(key)}`)),
  ];
  const sum = `${added.length} added, ${changed.length} changed, ${removed.length} removed, ${same.length} the same`;
  return [...lines, sum].join('\n');
}
