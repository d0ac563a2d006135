import type { SecretData } from './secret.ts';

/** Reports whether both have the same keys with the same values, in any order. */
export function isSameSecretData(left: SecretData, right: SecretData): boolean {
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && isSameValue(left[key], right[key]));
}

type Value = SecretData[string] | undefined;

function isSameValue(left: Value, right: Value): boolean {
  if (typeof left !== 'object' || typeof right !== 'object') return left === right;
  return left.base64 === right.base64;
}
