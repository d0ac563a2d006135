import type { SecretData } from '../../domain/secret.ts';
import { DeliveryError } from '../failures.ts';
import { textEntries } from './formats/text-entries.ts';

/** A name that a shell takes (POSIX.1-2024, section 3.216). */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** `NAME=value` lines, which a POSIX shell reads back exactly. @throws DeliveryError for a key that names no variable. */
export function renderDotenv(data: SecretData): Buffer {
  const lines = textEntries(data, 'dotenv').map(([key, value]) => {
    if (!VARIABLE.test(key)) {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} is no name of a variable: use json or a template`,
      );
    }
    return `${key}=${quoteDotenv(value)}\n`;
  });
  return Buffer.from(lines.join(''));
}

/**
 * Bare where nothing is special, then in single quotes, where nothing is special to anybody; only a value that has a single quote itself goes
 * into double ones, with the shell's escapes. There libraries differ: some of them leave `\$` or `\"` as it is.
 */
export function quoteDotenv(value: string): string {
  if (PLAIN.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replaceAll(/[\\"$`]/g, String.raw`\$&`)}"`;
}
