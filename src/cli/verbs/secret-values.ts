import { readFile } from 'node:fs/promises';
import { askHidden, readStdin } from '../ask.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';

export type SecretValue = string | { readonly base64: string };
export type SecretData = Readonly<Record<string, SecretValue>>;

const ASSIGNMENT = /^([^=]+)=(.*)$/s;

/**
 * Keys with values from files and standard input. A value is never an argument: arguments stand in the shell's history and in the list of
 * processes, where every user of the machine reads them. @throws UsageError; no argument is repeated in it
 */
export async function readAssignments(
  context: CliContext,
  words: readonly string[],
): Promise<SecretData> {
  const sources = words.map(sourceOf);
  if (sources.filter(({ source }) => source === '-').length > 1) {
    throw new UsageError('standard input can be one value only');
  }
  const data = new Map<string, SecretValue>();
  for (const { key, source } of sources) {
    if (data.has(key)) throw new UsageError(`the key ${key} is given twice`);
    data.set(key, source === '-' ? await typedOrPiped(context, key) : await fromFile(source));
  }
  // fromEntries defines, where an assignment to `__proto__` would change the object itself.
  return Object.fromEntries(data);
}

function sourceOf(word: string): { readonly key: string; readonly source: string } {
  const [, key = '', source = ''] = ASSIGNMENT.exec(word) ?? [];
  if (source === '-') return { key, source };
  if (source.startsWith('@') && source.length > 1) return { key, source: source.slice(1) };
  throw new UsageError(
    'a value is never an argument, because other users can see arguments and shells remember them: write KEY=@FILE, or KEY=- to type or pipe it',
  );
}

async function typedOrPiped(context: CliContext, key: string): Promise<SecretValue> {
  if (context.stdin.isTTY) return askHidden(context, `Value of ${key}`);
  return valueOf(await readStdin(context));
}

async function fromFile(path: string): Promise<SecretValue> {
  try {
    return valueOf(await readFile(path));
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`);
  }
}

/** Text where the bytes are UTF-8, every byte of them, a newline at the end included; else base64. */
export function valueOf(bytes: Uint8Array): SecretValue {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

/** All keys from one JSON object. @throws UsageError; nothing of the text is repeated */
export async function readJsonData(context: CliContext, source: string): Promise<SecretData> {
  const bytes =
    source === '-' ? await readStdin(context) : await readFile(source).catch(() => undefined);
  if (bytes === undefined) throw new UsageError(`${source} cannot be read`);
  const value = parsed(bytes.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('--from-json needs a JSON object of texts, or of {"base64": "…"}');
  }
  return value as SecretData;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError('--from-json: this is not JSON');
  }
}
