import { BrokerError } from '../../domain/errors.ts';
import { encodeVaultPath } from './client/encode-path.ts';
import { parseOptions } from '../parse-options.ts';
import { dynamicRef, staticRef, type VaultMountOptions } from './config.ts';

const KEY_MARK = '#';

/** An encoded API path, and the one key if a definition names one. */
export interface Location {
  readonly path: string;
  readonly key: string | undefined;
}

/**
 * Maps the names of one mount to locators at the server: `secret/data/payments/db`, followed by `#password` if the definition
 * names one key.
 */
export class Locators {
  readonly covers: string;
  readonly #isDynamic: boolean;

  /** @throws ERR_BODY_INVALID if `root` is not a path. */
  constructor(options: VaultMountOptions) {
    const engine = options.engine === 'kv-v2' ? `${options.path}/data` : options.path;
    this.covers = `${encodeOption(joined(engine, options.root), '/root')}/`;
    this.#isDynamic = options.engine === 'dynamic';
  }

  /** @throws ERR_PATH_INVALID, ERR_BODY_INVALID. */
  locate(rest: string, ref: unknown): string {
    if (ref === undefined) return this.covers + encodeVaultPath(rest);
    if (this.#isDynamic) return this.#within(parseOptions(dynamicRef, ref).path);
    const { path, key } = parseOptions(staticRef, ref);
    const suffix = key === undefined ? '' : KEY_MARK + encodeKey(key);
    return this.#within(path) + suffix;
  }

  /** @throws ERR_BODY_INVALID. */
  restOf(ref: unknown): string | undefined {
    const { path } = this.#isDynamic ? parseOptions(dynamicRef, ref) : parseOptions(staticRef, ref);
    const locator = encodeOption(path, '/path');
    if (!locator.startsWith(this.covers)) return undefined;
    return locator.slice(this.covers.length).split('/').map(decodeURIComponent).join('/');
  }

  #within(path: string): string {
    const locator = encodeOption(path, '/path');
    if (locator.startsWith(this.covers)) return locator;
    throw invalid('/path', `must be an API path below ${this.covers}`);
  }
}

/** Parses a locator. Encoded segments contain no `#`, so the first one begins the key. */
export function parseLocator(locator: string): Location {
  const mark = locator.indexOf(KEY_MARK);
  if (mark === -1) return { path: locator, key: undefined };
  return { path: locator.slice(0, mark), key: decodeURIComponent(locator.slice(mark + 1)) };
}

/** `secret/metadata/payments`: the folder that lists the secrets below `covers`, encoded. */
export function listingRoot(options: VaultMountOptions): string {
  const engine = options.engine === 'kv-v2' ? `${options.path}/metadata` : options.path;
  return encodeVaultPath(joined(engine, options.root));
}

function joined(engine: string, root: string | undefined): string {
  return root === undefined ? engine : `${engine}/${root}`;
}

function encodeOption(text: string, pointer: string): string {
  try {
    return encodeVaultPath(text);
  } catch {
    throw invalid(pointer, 'has an empty or relative segment, or a control character');
  }
}

/** Encodes any name of a KV key. A slash in it is also encoded, so that it does not separate segments. */
function encodeKey(key: string): string {
  if (!key.isWellFormed()) throw invalid('/key', 'is not well-formed Unicode');
  return encodeURIComponent(key);
}

function invalid(pointer: string, message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, { problems: [{ pointer, message }] });
}
