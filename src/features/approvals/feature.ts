import * as approvalRoutes from './routes.ts';
import { approvalFollower, Approvals, type Approving } from './approval-memory.ts';
import { approvalMetrics } from './approval-metrics.ts';
import { approvalWorker } from './approval-worker.ts';
import { adminConsents } from './consent.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Option } from '../feature.ts';

declare module '../../api/request/request-deps.ts' {
  interface ServedParts extends Approving {}
}

const routes = { ...approvalRoutes };

/** Another admin approves grants of admin, and elevations in an emergency. */
export const approvals = {
  routes,
  open({ store, rows, clock }) {
    const memory = new Approvals(store, rows, clock);
    return {
      parts: { approvals: memory },
      ports: {
        consents: adminConsents({ approvals: memory, clock, digest: sha256Hex }),
        elevations: memory,
      },
      followers: [approvalFollower(memory)],
      workers: (parts) => [approvalWorker(parts)],
    };
  },
  metrics: approvalMetrics,
} satisfies Option;
