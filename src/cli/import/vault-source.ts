import { memberText } from '../../domain/json-members.ts';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { UsageError } from '../usage-error.ts';
import type { SecretData } from '../verbs/secret-values.ts';
import { SourceError, type ImportSource, type ListedPath } from './import-source.ts';
import type { VaultAnswer, VaultHttp } from './vault-http.ts';
import { keyProblem, shownPath } from './vault-key.ts';

/** A folder of a broken or hostile server contains itself. Paths of the broker have 16 names; `--map` may shorten what is longer. */
const MOST_DEPTH = 32;
const MOST_FOLDERS = 10_000;
const MOST_NAMES = 100_000;

/** What a walk has come across, in all folders together. */
interface Seen {
  folders: number;
  names: number;
}

export interface VaultPlace {
  /** Of the KV engine. */
  readonly mount: string;
  /** Below it; '' for all. */
  readonly prefix: string;
  readonly kv?: '1' | '2' | undefined;
}

/** A KV engine of Vault or OpenBao, walked folder by folder. Only current versions are read. */
export class VaultSource implements ImportSource {
  readonly label: string;
  readonly #http: VaultHttp;
  readonly #place: VaultPlace;
  readonly #version: '1' | '2';

  private constructor(http: VaultHttp, place: VaultPlace, version: '1' | '2') {
    this.#http = http;
    this.#place = place;
    this.#version = version;
    this.label = `KV ${version} at ${place.mount}/`;
  }

  /** Asks which version the engine has, unless told. @throws UsageError when the server does not say, and for a place that is none */
  static async open(http: VaultHttp, place: VaultPlace): Promise<VaultSource> {
    refuseOddPath('--mount', place.mount);
    if (place.prefix !== '') refuseOddPath('--from', place.prefix);
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
      if (unreadable !== undefined) yield { path: shownPath(path), unreadable };
      else if (key.endsWith('/')) yield* this.#walk(path.slice(0, -1), seen, depth + 1);
      else yield { path };
    }
  }

  /** @throws Failed when the folder cannot be listed: an import that leaves things out without a word is worse than none */
  async #keysIn(folder: string): Promise<readonly string[]> {
    const { mount } = this.#place;
    const below = this.#version === '2' ? `${mount}/metadata` : mount;
    const at = folder === '' ? `${below}/` : `${below}/${folder}/`;
    try {
      const answer = await this.#http.get(at, '?list=true');
      if (answer.status !== 404) return keysOf(answer, folder);
      if (isEmpty(answer)) return [];
      throw new Failed(
        `Vault has nothing at ${mount}/: --mount names the path of a KV engine, --kv its version`,
        EXIT.notFound,
      );
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new Failed(`the list of "${folder}" cannot be read: ${error.message}`, EXIT.failed);
    }
  }

  async read(path: string): Promise<SecretData | undefined> {
    const { mount } = this.#place;
    const at = this.#version === '2' ? `${mount}/data/${path}` : `${mount}/${path}`;
    const answer = await this.#http.get(at);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new SourceError(`vault_status_${answer.status}`);
    const outer = membersOf(answer.body?.['data']);
    const data = this.#version === '2' ? membersOf(outer?.['data']) : outer;
    if (data === undefined) throw new SourceError('vault_answer');
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, memberText(value)]));
  }

  close(): void {
    // Every request has a connection of its own.
  }
}

/** Nothing was copied yet: the whole list comes first. */
function endless(folder: string, what: string): Failed {
  const text = `the list stopped at "${shownPath(folder)}": Vault shows ${what}. Copy a part of it with --from`;
  return new Failed(text, EXIT.failed);
}

/** A URL would go elsewhere with it. @throws UsageError */
function refuseOddPath(option: string, path: string): void {
  if (path.split('/').every((name) => keyProblem(name, '') === undefined)) return;
  throw new UsageError(`${option} is names joined by single slashes, none of them "." or ".."`);
}

async function engineVersion(http: VaultHttp, { mount }: VaultPlace): Promise<'1' | '2'> {
  const { status, body } = await http.get(`sys/internal/ui/mounts/${mount}`);
  const data = membersOf(body?.['data']);
  if (status === 403) throw new Failed(`Vault refuses the token at ${mount}/`, EXIT.refused);
  if (status !== 200 || data === undefined) {
    throw new UsageError(`Vault does not say what is at ${mount}/: name it with --kv 1 or --kv 2`);
  }
  if (data['type'] !== 'kv' && data['type'] !== 'generic') {
    throw new UsageError(`${mount}/ is no KV engine: nothing of it can be copied`);
  }
  return membersOf(data['options'])?.['version'] === '2' ? '2' : '1';
}

function keysOf({ status, body }: VaultAnswer, folder: string): readonly string[] {
  const keys = membersOf(body?.['data'])?.['keys'];
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  const exit = status === 403 ? EXIT.refused : EXIT.failed;
  throw new Failed(`Vault answered ${status} to the list of "${folder}"`, exit);
}

/** A folder that is empty, or not there, is a 404 without a word; where no engine is, or one of the other version, there is one. */
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
