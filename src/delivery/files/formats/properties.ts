import type { SecretData } from '../../../domain/secret.ts';
import { textEntries } from './text-entries.ts';

const NAMED: Readonly<Record<string, string>> = {
  '\t': String.raw`\t`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\f': String.raw`\f`,
};

/** `key=value` lines as java.util.Properties writes them: ASCII alone, so that ISO 8859-1 and UTF-8 readers agree. */
export function renderProperties(data: SecretData): Buffer {
  const lines = textEntries(data, 'properties').map(
    ([key, value]) => `${escapeKey(key)}=${escapePropertyValue(value)}\n`,
  );
  return Buffer.from(lines.join(''));
}

function escapeKey(key: string): string {
  return escaped(key).replaceAll(' ', String.raw`\ `);
}

/** Blanks at the front would be skipped by the reader; others are themselves. */
export function escapePropertyValue(value: string): string {
  return escaped(value).replace(/^ +/, (blanks) => String.raw`\ `.repeat(blanks.length));
}

function escaped(text: string): string {
  return text
    .replaceAll(/[\\=:#!]/g, String.raw`\$&`)
    .replaceAll(/[^ -~]/g, (unit) => NAMED[unit] ?? `\\u${hex(unit)}`);
}

/** One UTF-16 unit: the expression above has no `u` flag, so a pair is written as its two halves, as Java does. */
function hex(unit: string): string {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}
