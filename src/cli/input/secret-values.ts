import { readFile } from 'node:fs/promises';
import { DotenvError, parseDotenv, type DotenvEntry } from './dotenv.ts';
import { askHidden, readStdin, type Input } from './ask.ts';
import type { Output } from '../output/output.ts';
import { readFailure, UsageError } from '../kernel/errors.ts';

export type SecretValue = string | { readonly base64: string };
export type SecretData = Readonly<Record<string, SecretValue>>;

/** Standard input, and the output for notes. */
type Terminal = Input & { readonly output: Output };

const ASSIGNMENT = /^([^=]+)=(.*)$/s;

/**
 * The keys of a secret with their values, from files, standard input or a prompt. A value is never an argument: arguments are kept in the
 * shell's history and shown in the list of processes, which every user of the machine can read. @throws UsageError without the values
 */
export async function readSecretData(
  context: Terminal,
  verb: string,
  words: readonly string[],
  { fromJson, fromEnv }: ValueFiles,
): Promise<SecretData> {
  const ways = [words.length > 0, fromJson !== undefined, fromEnv !== undefined];
  if (ways.filter(Boolean).length !== 1) {
    const env = verb === 'trace' ? '' : ', or --from-env FILE';
    throw new UsageError(`${verb} needs either KEY=@FILE (or KEY=-), or --from-json FILE${env}`);
  }
  if (fromEnv !== undefined) return readEnvData(context, fromEnv);
  return fromJson === undefined ? readAssignments(context, words) : readJsonData(context, fromJson);
}

/** Files that hold all keys of a secret; `-` is standard input. */
export interface ValueFiles {
  readonly fromJson?: string;
  readonly fromEnv?: string;
}

async function readEnvData(context: Terminal, source: string): Promise<SecretData> {
  const bytes = await readSource(context, '--from-env', source);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new UsageError(`--from-env: the file ${source} is not UTF-8`);
  const entries = dotenvEntries(source, text);
  if (entries.length === 0) throw new UsageError(`--from-env: ${source} sets no variable`);
  for (const { name, value, line, isAmbiguous } of entries) {
    if (isAmbiguous) {
      throw new UsageError(
        `${source}:${line}: the value of ${name} has a #, and programs differ about what follows: put quotes around it`,
      );
    }
    if (!/\$\{|\$\(/.test(value)) continue;
    context.output.note(
      `${source}:${line}: \${…} and $(…) in the value of ${name} are kept as they are`,
    );
  }
  return Object.fromEntries(entries.map(({ name, value }) => [name, value]));
}

/** @throws UsageError with the line, without its text */
export function dotenvEntries(source: string, text: string): readonly DotenvEntry[] {
  try {
    return parseDotenv(text);
  } catch (error) {
    if (!(error instanceof DotenvError)) throw error;
    throw new UsageError(`${source}:${error.line}: the line ${error.message}`);
  }
}

async function readSource(context: Terminal, option: string, source: string): Promise<Buffer> {
  return (source === '-' ? readStdin(context) : readFile(source)).catch((error: unknown) => {
    throw new UsageError(`${option}: the file ${source} ${readFailure(error)}`);
  });
}

async function readAssignments(context: Terminal, words: readonly string[]): Promise<SecretData> {
  const sources = words.map(sourceOf);
  if (sources.filter(({ source }) => source === '-').length > 1) {
    throw new UsageError('only one key can be read from standard input');
  }
  const data = new Map<string, SecretValue>();
  for (const { key, source } of sources) {
    if (data.has(key)) throw new UsageError(`key ${key} is given twice`);
    const value = source === '-' ? await typedOrPiped(context, key) : await fromFile(key, source);
    if (typeof value === 'string' && /[^\n]\n$/.test(value)) {
      context.output.note(
        `the value of ${key} ends with a newline, which is kept; printf %s writes none`,
      );
    }
    data.set(key, value);
  }
  // An assignment to `__proto__` would change the object itself; fromEntries defines a member of that name.
  return Object.fromEntries(data);
}

function sourceOf(word: string): { readonly key: string; readonly source: string } {
  const [, key = '', source = ''] = ASSIGNMENT.exec(word) ?? [];
  if (source === '-') return { key, source };
  if (source === '@')
    throw new UsageError(`${word}: name a file after the @; a value is never an argument`);
  if (source.startsWith('@')) return { key, source: source.slice(1) };
  throw new UsageError(
    'a value is never an argument, because other users can see arguments and shells keep them; write KEY=@FILE, or KEY=- to type or pipe it',
  );
}

async function typedOrPiped(context: Terminal, key: string): Promise<SecretValue> {
  if (context.stdin.isTTY) return askHidden(context, `Value of ${key}`);
  return valueOf(await readStdin(context));
}

async function fromFile(key: string, path: string): Promise<SecretValue> {
  try {
    return valueOf(await readFile(path));
  } catch (error) {
    throw new UsageError(`the file ${path} with the value of ${key} ${readFailure(error)}`);
  }
}

/** Text if the bytes are UTF-8, with every byte kept, a final newline included; otherwise base64. The API takes no text with NUL. */
export function valueOf(bytes: Uint8Array): SecretValue {
  const text = decodeUtf8(bytes);
  if (text === undefined || text.includes('\0')) {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
  return text;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** All keys from one JSON object. */
async function readJsonData(context: Terminal, source: string): Promise<SecretData> {
  const bytes = await readSource(context, '--from-json', source);
  const value = parsed(bytes.toString('utf8'));
  const problem = checkSecretData(value);
  if (problem !== undefined) throw new UsageError(`--from-json: ${problem}`);
  return value as SecretData;
}

/** Problem of data that should be the keys of a secret; undefined without one. The text never has a value. */
export function checkSecretData(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return 'must be an object whose values are strings or {"base64": "…"}';
  }
  const wrong = Object.entries(value).find(
    ([, member]) =>
      typeof member !== 'string' && typeof (member as SecretValue | null) !== 'object',
  );
  if (wrong === undefined) return undefined;
  return `the value of ${wrong[0]} must be a string or {"base64": "…"}; put quotes around a number`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError('--from-json: the file is not valid JSON');
  }
}
