import type { SecretData } from '../../../domain/secret.ts';
import { DeliveryError } from '../../failures.ts';
import { isFileName } from '../file-options.ts';
import { sortedKeys } from './text-entries.ts';

/** One file a key, without a line end that the value does not have. @throws DeliveryError for a key that names no file. */
export function keyFiles(data: SecretData): readonly (readonly [string, Buffer])[] {
  return sortedKeys(data).map((key) => {
    if (!isFileName(key)) {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} is no file name: use json or a template`,
      );
    }
    const value = data[key] ?? '';
    const bytes =
      typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64');
    return [key, bytes];
  });
}
