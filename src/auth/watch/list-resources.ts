import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { malformed, membersOf, resourceVersionOf } from './members.ts';

const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const PAGE_MS = 20_000;
/** 5,000 nodes with 110 pods each need fewer pages: a server that sends more repeats itself. */
const MOST_PAGES = 4_000;

/** One kind of object, in all namespaces. */
export interface Resource {
  /** Name in the log and the metrics, such as `pods`. */
  readonly name: string;
  readonly path: readonly string[];
  /** Objects on a page of a list. A page of a few megabytes does not block the event loop for long. */
  readonly pageLimit: number;
}

/** Large objects may fill a page beyond the bounds of an answer: fewer of them are read at once. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof BrokerError &&
    (error.reason === 'too_many_values' || error.reason === 'body_too_large')
  );
}

/**
 * Reads all objects page by page, all of one version, and returns that version. Without `resourceVersion` the API server reads the first page
 * through a quorum, so it is not older than the watch.
 * @throws ERR_PROVIDER_*; `reason` is `http_410` if the pages expired at the server.
 */
export async function listResources(
  { api, clock }: { readonly api: KubernetesApi; readonly clock: Clock },
  { path, pageLimit }: Resource,
  onPage: (objects: readonly unknown[]) => void | Promise<void>,
  closed: AbortSignal,
): Promise<string> {
  let next = '';
  let limit = pageLimit;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { limit: String(limit), ...(next !== '' && { continue: next }) };
    const read = (deadline: AbortSignal): Promise<unknown> =>
      api.call(
        { method: 'GET', path, query, maxBytes: MAX_PAGE_BYTES },
        AbortSignal.any([deadline, closed]),
      );
    const list = await withDeadline(clock, PAGE_MS, read).catch((error: unknown) => {
      if (limit === 1 || !isTooLarge(error)) throw error;
    });
    if (list === undefined) {
      limit = Math.ceil(limit / 4);
      continue;
    }
    const { items, metadata } = membersOf(list);
    if (!Array.isArray(items)) throw malformed('not_a_list');
    await onPage(items);
    const { continue: token } = membersOf(metadata);
    if (typeof token !== 'string' || token === '') return resourceVersionOf(list);
    next = token;
  }
  throw malformed('not_a_list');
}
