import type { Clock } from '../../ports/clock.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { malformed, membersOf, resourceVersionOf } from './members.ts';

const MAX_PAGE_BYTES = 64 * 1024 * 1024;
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
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { limit: String(pageLimit), ...(next !== '' && { continue: next }) };
    const list = await withDeadline(clock, PAGE_MS, (deadline) =>
      api.call(
        { method: 'GET', path, query, maxBytes: MAX_PAGE_BYTES },
        AbortSignal.any([deadline, closed]),
      ),
    );
    const { items, metadata } = membersOf(list);
    if (!Array.isArray(items)) throw malformed('not_a_list');
    await onPage(items);
    const { continue: token } = membersOf(metadata);
    if (typeof token !== 'string' || token === '') return resourceVersionOf(list);
    next = token;
  }
  throw malformed('not_a_list');
}
