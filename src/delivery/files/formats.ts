import type { SecretData } from '../../domain/secrets/secret.ts';
import { isVariableName, quoteDotenv } from '../../domain/text/dotenv.ts';
import { DeliveryError } from '../failures.ts';
import { isFileName } from './file-options.ts';

/*
 * Formats of delivered files. Keys are always sorted, so that the same secret gives the same bytes whatever order a backend lists
 * them in.
 */

/** One object (RFC 8259). Bytes are `{"base64": "…"}`, as in the broker's API. */
export function renderJson(data: SecretData): Buffer {
  const ordered = sortedKeys(data).map((key) => [key, data[key]] as const);
  return Buffer.from(`${JSON.stringify(Object.fromEntries(ordered), null, 2)}\n`);
}

/** One file for each key: the value without a line end of its own. @throws DeliveryError for a key that is not a file name. */
export function renderKeyFiles(data: SecretData): readonly (readonly [string, Buffer])[] {
  return sortedKeys(data).map((key) => {
    if (!isFileName(key)) {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} cannot be a file name: use json or a template`,
      );
    }
    const value = data[key] ?? '';
    const bytes =
      typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64');
    return [key, bytes];
  });
}

/** `NAME=value` lines, which a POSIX shell reads back exactly. @throws DeliveryError for a key that is not a variable name. */
export function renderDotenv(data: SecretData): Buffer {
  const lines = textEntries(data, 'dotenv').map(([key, value]) => {
    if (!isVariableName(key)) {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} cannot be a variable name: use json or a template`,
      );
    }
    return `${key}=${quoteDotenv(value)}\n`;
  });
  return Buffer.from(lines.join(''));
}

const PROPERTY_ESCAPES: Readonly<Record<string, string>> = {
  '\t': String.raw`\t`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\f': String.raw`\f`,
};

/** `key=value` lines as java.util.Properties writes them: ASCII only, so that ISO 8859-1 and UTF-8 readers agree. */
export function renderProperties(data: SecretData): Buffer {
  const lines = textEntries(data, 'properties').map(
    ([key, value]) => `${escapePropertyKey(key)}=${escapePropertyValue(value)}\n`,
  );
  return Buffer.from(lines.join(''));
}

function escapePropertyKey(key: string): string {
  return escapeProperty(key).replaceAll(' ', String.raw`\ `);
}

/** Java skips leading blanks, so these are escaped; other blanks are not. */
export function escapePropertyValue(value: string): string {
  return escapeProperty(value).replace(/^ +/, (blanks) => String.raw`\ `.repeat(blanks.length));
}

function escapeProperty(text: string): string {
  return text
    .replaceAll(/[\\=:#!]/g, String.raw`\$&`)
    .replaceAll(/[^ -~]/g, (unit) => PROPERTY_ESCAPES[unit] ?? `\\u${hex(unit)}`);
}

/** One UTF-16 unit: the expression above has no `u` flag, so a surrogate pair is written as its two halves, as Java does. */
function hex(unit: string): string {
  return unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

/** A map of strings, all quoted: YAML 1.1 parsers read a bare `no`, `012` or `1:30` as something else. Bytes are `!!binary`. */
export function renderYaml(data: SecretData): Buffer {
  const lines = sortedKeys(data).map((key) => {
    const value = data[key] ?? '';
    const text = typeof value === 'string' ? quoteYaml(value) : `!!binary "${value.base64}"`;
    return `${quoteYaml(key)}: ${text}\n`;
  });
  return Buffer.from(lines.join('') || '{}\n');
}

/**
 * Quotes a text with double quotes, for YAML and TOML: their escapes include those of JSON. Characters that these two call
 * unprintable are escaped as well.
 */
export function quoteYaml(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function sortedKeys(data: SecretData): readonly string[] {
  return Object.keys(data).sort();
}

/** @throws DeliveryError for a value of bytes, which the format cannot represent. */
function textEntries(data: SecretData, format: string): readonly (readonly [string, string])[] {
  return sortedKeys(data).map((key) => {
    const value = data[key];
    if (typeof value !== 'string') {
      throw new DeliveryError(
        `the key ${JSON.stringify(key)} holds bytes, which ${format} cannot represent: use files, json or yaml`,
      );
    }
    return [key, value];
  });
}
