import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { membersOf, readPod, resourceVersionOf } from './observed-pod.ts';
import type { ObservedPod } from './observed-pod.ts';

/** About 2 to 4 MB of JSON: a larger page would block the event loop for long. */
const PAGE_LIMIT = 250;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;
const PAGE_MS = 20_000;
/** 5,000 nodes with 110 pods each need fewer pages: a server that sends more repeats itself. */
const MOST_PAGES = 4_000;

export const ALL_PODS = ['api', 'v1', 'pods'];

/**
 * Reads all pods page by page, all of one version, and returns that version. Without `resourceVersion` the API server reads the first page
 * through a quorum, so it is not older than the watch.
 * @throws ERR_PROVIDER_*; `reason` is `http_410` if the pages expired at the server.
 */
export async function listPods(
  { api, clock }: { readonly api: KubernetesApi; readonly clock: Clock },
  onPage: (pods: readonly ObservedPod[]) => void,
  closed: AbortSignal,
): Promise<string> {
  let next = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { limit: String(PAGE_LIMIT), ...(next !== '' && { continue: next }) };
    const list = await withDeadline(clock, PAGE_MS, (deadline) =>
      api.call(
        { method: 'GET', path: ALL_PODS, query, maxBytes: MAX_PAGE_BYTES },
        AbortSignal.any([deadline, closed]),
      ),
    );
    const { items, metadata } = membersOf(list);
    if (!Array.isArray(items)) throw malformed();
    onPage(items.map(readPod));
    const { continue: token } = membersOf(metadata);
    if (typeof token !== 'string' || token === '') return resourceVersionOf(list);
    next = token;
  }
  throw malformed();
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_list' });
}
