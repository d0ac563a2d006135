import {
  resourceMetrics,
  type ClusterDocumentsWork,
  type CopiedResources,
} from './cluster-worker.ts';
import type { Option } from '../feature.ts';
import type { ClusterDocumentsConfig } from './config.ts';

declare module '../feature.ts' {
  interface OptionSettings {
    readonly kubernetes: { readonly documents: readonly ClusterDocumentsConfig[] };
  }
}

declare module '../../api/request/request-deps.ts' {
  interface ServedParts {
    /** Copies of custom resources, one for each cluster of the configuration. */
    readonly clusterDocuments: () => readonly CopiedResources[];
  }
}

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
