import { memberText } from '../../domain/text/json-members.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import {
  SourceError,
  type ImportSource,
  type ListedPath,
  type SourceSecret,
} from './import-source.ts';
import type { VaultAnswer, VaultHttp } from './vault-http.ts';

/** The broker's own paths have at most 512 characters; `--map` can shorten longer paths. */
const LONGEST_PATH = 2_048;
const SHOWN = 200;
/** A folder of a broken or hostile server may contain itself. Paths of the broker have at most 16 segments; `--map` can shorten longer paths. */
const MOST_DEPTH = 32;
const MOST_FOLDERS = 10_000;
const MOST_NAMES = 100_000;

/** Counts of the walk over all folders. */
interface Seen {
  folders: number;
  names: number;
}

export interface VaultAddress {
  /** Path of the KV engine. */
  readonly mount: string;
  /** Folder below the mount; '' for everything. */
  readonly prefix: string;
  readonly kv?: '1' | '2' | undefined;
}

/** A KV engine of Vault or OpenBao, listed folder by folder. Only current versions are read. */
export class VaultSource implements ImportSource {
  readonly label: string;
  readonly #http: VaultHttp;
  readonly #place: VaultAddress;
  readonly #version: '1' | '2';

  private constructor(http: VaultHttp, place: VaultAddress, version: '1' | '2') {
    this.#http = http;
    this.#place = place;
    this.#version = version;
    this.label = `KV ${version} at ${place.mount}/`;
  }

  /** Asks the server for the version of the engine if the caller does not give it. @throws UsageError if the server does not say, and for an invalid path */
  static async open(http: VaultHttp, place: VaultAddress): Promise<VaultSource> {
    refuseInvalidPath('--mount', place.mount);
    if (place.prefix !== '') refuseInvalidPath('--from', place.prefix);
    return new VaultSource(http, place, place.kv ?? (await engineVersion(http, place)));
  }

  list(): AsyncIterable<ListedPath> {
    return this.#walk(this.#place.prefix, { folders: 0, names: 0 }, 0);
  }

  async *#walk(folder: string, seen: Seen, depth: number): AsyncGenerator<ListedPath> {
    seen.folders += 1;
    if (depth > MOST_DEPTH) throw endless(folder, `folders more than ${MOST_DEPTH} deep`);
    if (seen.folders > MOST_FOLDERS) throw endless(folder, `more than ${MOST_FOLDERS} folders`);
    for (const key of new Set(await this.#keysIn(folder))) {
      seen.names += 1;
      if (seen.names > MOST_NAMES) throw endless(folder, `more than ${MOST_NAMES} names`);
      const path = folder === '' ? key : `${folder}/${key}`;
      const unreadable = keyProblem(key, folder);
      if (unreadable !== undefined) yield { path: shortenPath(path), unreadable };
      else if (key.endsWith('/')) yield* this.#walk(path.slice(0, -1), seen, depth + 1);
      else yield { path };
    }
  }

  /** @throws Failed if the folder cannot be listed: an import must not leave out secrets silently */
  async #keysIn(folder: string): Promise<readonly string[]> {
    const { mount } = this.#place;
    const below = this.#version === '2' ? `${mount}/metadata` : mount;
    const at = folder === '' ? `${below}/` : `${below}/${folder}/`;
    try {
      const answer = await this.#http.get(at, '?list=true');
      if (answer.status !== 404) return keysOf(answer, folder);
      if (isEmpty(answer)) return [];
      throw new Failed(
        `Vault has no KV engine at ${mount}/; check --mount, the path of the engine, and --kv, its version`,
        EXIT.notFound,
      );
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new Failed(`cannot list folder "${folder}": ${error.message}`, EXIT.failed);
    }
  }

  async read(path: string): Promise<SourceSecret | undefined> {
    const { mount } = this.#place;
    const at = this.#version === '2' ? `${mount}/data/${path}` : `${mount}/${path}`;
    const answer = await this.#http.get(at);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new SourceError(`vault_status_${answer.status}`);
    const outer = membersOf(answer.body?.['data']);
    const data = this.#version === '2' ? membersOf(outer?.['data']) : outer;
    if (data === undefined) throw new SourceError('vault_answer');
    const texts = Object.entries(data).map(([key, value]) => [key, memberText(value)] as const);
    const beside = this.#version === '2' ? membersOf(outer?.['metadata']) : undefined;
    const customMetadata = textsOf(membersOf(beside?.['custom_metadata']));
    return { data: Object.fromEntries(texts), ...(customMetadata && { customMetadata }) };
  }

  close(): void {
    this.#http.close();
  }
}

/** Builds the error of an endless list. Nothing was copied yet, because the whole list is read first. */
function endless(folder: string, what: string): Failed {
  const text = `stopped listing at "${shortenPath(folder)}": Vault has ${what}; copy a part with --from`;
  return new Failed(text, EXIT.failed);
}

/** Refuses a path that would change the URL. @throws UsageError */
function refuseInvalidPath(option: string, path: string): void {
  if (path.split('/').every((name) => keyProblem(name, '') === undefined)) return;
  throw new UsageError(`${option} must be names separated by single slashes, without "." and ".."`);
}

async function engineVersion(http: VaultHttp, { mount }: VaultAddress): Promise<'1' | '2'> {
  const { status, body } = await http.get(`sys/internal/ui/mounts/${mount}`);
  const data = membersOf(body?.['data']);
  if (status === 403) throw new Failed(`Vault denies the token access to ${mount}/`, EXIT.refused);
  if (status !== 200 || data === undefined) {
    throw new UsageError(
      `Vault does not report the KV version of ${mount}/; pass --kv 1 or --kv 2`,
    );
  }
  if (data['type'] !== 'kv' && data['type'] !== 'generic') {
    throw new UsageError(`${mount}/ is not a KV engine; only KV engines can be copied`);
  }
  return membersOf(data['options'])?.['version'] === '2' ? '2' : '1';
}

function keysOf({ status, body }: VaultAnswer, folder: string): readonly string[] {
  const keys = membersOf(body?.['data'])?.['keys'];
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  const exit = status === 403 ? EXIT.refused : EXIT.failed;
  throw new Failed(
    `cannot list folder "${folder}": unexpected response from Vault (status ${status})`,
    exit,
  );
}

/**
 * Reports whether the folder is empty or missing: Vault answers 404 without errors and warnings. Without an engine, or with one of
 * the other version, its answer has one.
 */
function isEmpty({ body }: VaultAnswer): boolean {
  return [body?.['errors'], body?.['warnings']].every(
    (words) =>
      words === undefined || words === null || (Array.isArray(words) && words.length === 0),
  );
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

/** The members that are texts; undefined if there are none. */
function textsOf(
  members: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, string>> | undefined {
  const texts = Object.entries(members).filter(
    (member): member is [string, string] => typeof member[1] === 'string',
  );
  return texts.length === 0 ? undefined : Object.fromEntries(texts);
}

/**
 * Gives the code word that names why a key of a listing cannot be requested. A valid key is one segment, with a final slash for a
 * folder. Any other key would leave the folder, because URLs resolve `.` and `..`, or never end.
 */
function keyProblem(key: string, folder: string): string | undefined {
  const name = key.replace(/\/$/, '');
  if (name === '') return 'empty_name';
  if (name === '.' || name === '..') return 'dot_name';
  if (name.includes('/')) return 'slash_in_name';
  if (/\p{Cc}/u.test(name)) return 'control_character';
  if (!name.isWellFormed()) return 'not_unicode';
  return folder.length + key.length > LONGEST_PATH ? 'too_long' : undefined;
}

/** The path for a message, shortened if it is too long for a line. */
function shortenPath(path: string): string {
  return path.length > LONGEST_PATH ? `${path.slice(0, SHOWN).toWellFormed()}…` : path;
}
