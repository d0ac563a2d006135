import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import { isPathSegment, MAX_PATH_SEGMENTS } from '../../../domain/words/names.ts';
import type { PageRequest } from '../../../domain/page.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { encodeVaultPath } from '../client/encode-path.ts';
import { failMalformed } from '../errors.ts';
import type { VaultCalls } from '../client/calls.ts';
import type { ListedPage } from '../../../ports/secret-provider.ts';

const LIST_BYTES = 8_388_608;
/** A page stops after this many folders, with the names found so far. */
const MOST_FOLDERS = 200;
/** A LIST returns every key of a folder: this many names cost the broker about as much as one read. */
const NAMES_OF_READ = 500;
const SLASH = '/';

const answerSchema = z.object({ data: z.object({ keys: z.array(z.string()) }) });

/** The state of a listing: its root, the name it starts after, and its remaining budget. */
interface Walk {
  readonly root: string;
  readonly after: string;
  readonly limit: number;
  readonly context: CallContext;
  readonly names: string[];
  folders: number;
  cost: number;
  /** The first folder that this page did not read. */
  stopped?: string;
}

/**
 * Names below a root in name order, one LIST per folder; only the folders of one page are read. A folder's keys, sorted with their trailing
 * slashes, are in the order of the full names below them. Names that the broker cannot express are skipped.
 */
export class KvList {
  readonly #calls: VaultCalls;
  readonly #root: string;

  /** `root`: encoded, without a trailing slash. */
  constructor(calls: VaultCalls, root: string) {
    this.#calls = calls;
    this.#root = root;
  }

  async page(prefix: string, page: PageRequest, context: CallContext): Promise<ListedPage> {
    const after = page.after ?? '';
    const walk: Walk = {
      root: this.#root,
      after,
      // One more than the limit, to detect a next page.
      limit: page.limit + 1,
      context,
      names: [],
      folders: 0,
      cost: 0,
    };
    await this.#visit(walk, prefix === '' ? '' : `${prefix}${SLASH}`, 0);
    const items = walk.names.slice(0, page.limit).map((name) => ({ name }));
    const next = walk.names.length > page.limit ? items.at(-1)?.name : walk.stopped;
    return { items, cost: walk.cost, ...(next !== undefined && { next }) };
  }

  async #visit(walk: Walk, folder: string, depth: number): Promise<void> {
    if (depth >= MAX_PATH_SEGMENTS) return;
    if (walk.folders === MOST_FOLDERS) {
      walk.stopped = folder;
      return;
    }
    const keys = await this.#keys(walk, folder);
    for (const key of keys) {
      if (walk.names.length >= walk.limit || walk.stopped !== undefined) return;
      const name = folder + key;
      if (!key.endsWith(SLASH)) {
        if (name > walk.after) walk.names.push(name);
      } else if (name > walk.after || walk.after.startsWith(name)) {
        await this.#visit(walk, name, depth + 1);
      }
    }
  }

  async #keys(walk: Walk, folder: string): Promise<readonly string[]> {
    walk.folders += 1;
    const encoded = folder === '' ? '' : encodeVaultPath(folder.slice(0, -1)) + SLASH;
    // The verb LIST as a query parameter, because proxies and Node's own parser refuse the verb.
    const path = `${walk.root}${SLASH}${encoded}?list=true`;
    const request = { method: 'GET', path, maxBytes: LIST_BYTES } as const;
    const answer = await this.#calls.read(request, walk.context).catch(orEmpty);
    const parsed = answerSchema.safeParse(answer);
    if (!parsed.success) return failMalformed('list_answer');
    const keys = new Set(parsed.data.data.keys);
    walk.cost += 1 + Math.floor(keys.size / NAMES_OF_READ);
    return [...keys].filter((key) => isPathSegment(key.replace(/\/$/, ''))).sort();
  }
}

/** The server answers 404 for an empty folder. */
function orEmpty(error: unknown): unknown {
  if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return { data: { keys: [] } };
  throw error;
}
