import type { SchemaOptions, ToStringOptions } from 'yaml';
import type { SecretData } from '../../../domain/secret.ts';
import { sortedKeys } from './text-entries.ts';

/**
 * A map of strings, all quoted: a bare `no`, `012` or `1:30` is no string to a reader of YAML 1.1. Bytes are `!!binary`. The library is
 * loaded here, because few agents write YAML.
 */
export async function yamlRenderer(): Promise<(data: SecretData) => Buffer> {
  const { stringify } = await import('yaml');
  const options: ToStringOptions & SchemaOptions = {
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'QUOTE_DOUBLE',
    lineWidth: 0,
    customTags: ['binary'],
  };
  return (data) => {
    const entries = sortedKeys(data).map((key) => {
      const value = data[key];
      return [
        key,
        typeof value === 'object' ? Buffer.from(value.base64, 'base64') : value,
      ] as const;
    });
    return Buffer.from(stringify(new Map(entries), options));
  };
}
