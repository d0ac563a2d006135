import type { SecretData } from '../../../domain/secret.ts';
import { DeliveryError } from '../../failures.ts';

/** Keys in one order, whatever order they came in: the same secret gives the same bytes. */
export function sortedKeys(data: SecretData): readonly string[] {
  return Object.keys(data).sort();
}

/** @throws DeliveryError where a value is bytes, which the format has no form for. */
export function textEntries(
  data: SecretData,
  format: string,
): readonly (readonly [string, string])[] {
  return sortedKeys(data).map((key) => {
    const value = data[key];
    if (typeof value !== 'string') {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} holds bytes, which ${format} cannot say: use files, json or yaml`,
      );
    }
    return [key, value];
  });
}
