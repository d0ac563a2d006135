import { auditMetrics } from '../../audit/audit-metrics.ts';
import { archiveRunMetrics } from '../../backup/archive-runs.ts';
import { alertMetrics } from '../../broker/alerts/alert-metrics.ts';
import { approvalMetrics } from '../../broker/approvals/approval-metrics.ts';
import { keyMetrics } from '../../broker/keys/key-metrics.ts';
import { leaseMetrics } from '../../broker/leases/lease-metrics.ts';
import { valueMetrics } from '../../broker/secrets/value-metrics.ts';
import { postureMetrics } from '../../broker/posture/posture-metrics.ts';
import { rotationMetrics } from '../../broker/rotations/rotation-metrics.ts';
import { quarantineMetrics } from '../../broker/sessions/quarantine-metrics.ts';
import { brokerMetrics } from '../../metrics/broker-metrics.ts';
import type { Metric } from '../../ports/metrics.ts';
import type { RunningBroker } from '../broker.ts';
import { resourceMetrics } from '../clusters/cluster-documents.ts';

/** The metrics of a broker and all its parts. */
export function allMetrics(
  broker: RunningBroker,
  unready: () => readonly string[],
): readonly Metric[] {
  const { parts, trail, clusters } = broker;
  return [
    ...brokerMetrics(broker, unready),
    ...auditMetrics(trail),
    ...archiveRunMetrics(() => broker.archives),
    ...leaseMetrics(parts),
    ...valueMetrics(parts),
    ...quarantineMetrics(parts),
    ...keyMetrics(parts),
    ...rotationMetrics(parts),
    ...approvalMetrics(parts),
    ...alertMetrics(parts),
    ...postureMetrics({ ...parts, clusters }),
    ...resourceMetrics(() => broker.clusterDocuments),
  ];
}
