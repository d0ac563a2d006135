import { resourceMetrics, type ClusterDocumentsWork } from './cluster-worker.ts';
import type { Option } from '../../compose/features/feature.ts';

/** Custom resources of Kubernetes become documents. */
export const customResources = {
  routes: {},
  open({ config, trail, connections }) {
    let works: readonly ClusterDocumentsWork[] = [];
    return {
      parts: { clusterDocuments: () => works },
      async workers(parts) {
        // The code is loaded only if the configuration has a cluster for it.
        if (config.kubernetes.documents.length === 0) return [];
        const { clusterDocuments } = await import('./cluster-worker.ts');
        works = clusterDocuments(config, { parts, trail, connections });
        return works;
      },
      async beforeServing() {
        await Promise.all(works.map((work) => work.checkNamespaces()));
      },
      warnings: () => (works.some(({ held }) => held > 0) ? ['deletions_held'] : []),
    };
  },
  metrics: ({ clusterDocuments }) => resourceMetrics(() => clusterDocuments()),
} satisfies Option;
