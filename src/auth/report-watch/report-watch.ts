import type { WatchStatus } from '../../ports/pod-watch.ts';
import { ResourceWatch, type WatchDependencies } from '../watch/resource-watch.ts';

/** A report may have 1.5 MiB, so a page may have 15. */
const PAGE_LIMIT = 10;
const RESOURCES = ['vulnerabilityreports', 'exposedsecretreports'].map((name) => ({
  name,
  path: ['apis', 'aquasecurity.github.io', 'v1alpha1', name],
  pageLimit: PAGE_LIMIT,
}));

/** Reports of the Trivy Operator in one cluster. The watch reads on when a report is taken, so that it never holds more than a page. */
export class ReportWatch {
  readonly #watches: ReadonlyMap<string, ResourceWatch>;

  constructor(take: (object: unknown) => Promise<void>, dependencies: WatchDependencies) {
    const sink = {
      begin: () => undefined,
      page: async (objects: readonly unknown[]) => {
        for (const object of objects) await take(object);
      },
      complete: () => undefined,
      event: async ({ type, object }: { readonly type: string; readonly object: unknown }) => {
        if (type !== 'DELETED') await take(object);
      },
      status: () => undefined,
    };
    this.#watches = new Map(
      RESOURCES.map((resource) => [resource.name, new ResourceWatch(resource, sink, dependencies)]),
    );
  }

  /** Reports the status of each watch, by resource. */
  statuses(): ReadonlyMap<string, WatchStatus> {
    return new Map([...this.#watches].map(([name, watch]) => [name, watch.status()]));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watches.values()].map((watch) => watch.close()));
  }
}
