import type { Liquid } from 'liquidjs';
import { quoteDotenv } from '../../domain/text/dotenv.ts';
import { escapePropertyValue, quoteYaml } from './formats.ts';

/** A value that holds bytes. A template must convert it with a filter: it never becomes text by itself. */
export class BytesValue {
  readonly base64: string;

  constructor(base64: string) {
    this.base64 = base64;
  }

  toString(): string {
    throw new Error('the value is bytes: write it with the filter base64');
  }

  toJSON(): { readonly base64: string } {
    return { base64: this.base64 };
  }
}

/**
 * The library's own filters that remain: text and lists. None of them evaluates an expression that it gets as text (`where_exp` and similar
 * filters do, so a value would be interpreted), reads a clock or draws randomness.
 */
const KEPT = new Set(
  [
    'append prepend upcase downcase capitalize strip lstrip rstrip strip_newlines replace replace_first remove remove_first',
    'split join first last size slice sort uniq reverse concat compact map default truncate escape',
    'url_decode base64_decode',
  ].flatMap((line) => line.split(' ')),
);

const OURS: Readonly<Record<string, (value: unknown) => string>> = {
  base64: (value) => (value instanceof BytesValue ? value.base64 : base64(value, 'base64')),
  base64url: (value) => base64(value, 'base64url'),
  json: (value) => JSON.stringify(value),
  /** One word of a POSIX shell. */
  shell: (value) => `'${text(value).replaceAll("'", String.raw`'\''`)}'`,
  dotenv: (value) => quoteDotenv(text(value)),
  properties: (value) => escapePropertyValue(text(value)),
  /** One part of a URL (RFC 3986, section 2.3): a user name, a password, a path segment or a query value. */
  url: (value) => encodeURIComponent(text(value)).replaceAll(/[!'()*]/g, percentEncoded),
  /** A basic string with its quotes (TOML 1.0), which YAML and JSON parsers accept too. */
  toml: quoted,
  yaml: quoted,
  /** Text between quotes or tags in XML and HTML. */
  xml: (value) => text(value).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`),
};

/** Removes the filters that are not listed, and adds ours. */
export function limitFilters(engine: Liquid): void {
  for (const name of Object.keys(engine.filters)) {
    if (!KEPT.has(name)) Reflect.deleteProperty(engine.filters, name);
  }
  for (const [name, filter] of Object.entries(OURS)) engine.registerFilter(name, filter);
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof BytesValue) return value.toString();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Error('the filter needs text');
}

function base64(value: unknown, form: 'base64' | 'base64url'): string {
  const bytes = value instanceof BytesValue ? Buffer.from(value.base64, 'base64') : text(value);
  return Buffer.from(bytes).toString(form);
}

function percentEncoded(sign: string): string {
  return `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
}

function quoted(value: unknown): string {
  return quoteYaml(text(value));
}
