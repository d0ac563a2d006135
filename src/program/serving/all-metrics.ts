import { auditMetrics } from '../../audit/status/audit-metrics.ts';
import { keyMetrics } from '../../broker/keys/key-metrics.ts';
import { leaseMetrics } from '../../broker/leases/lease-metrics.ts';
import { valueMetrics } from '../../broker/secrets/value-metrics.ts';
import { rotationMetrics } from '../../rotation/rotation-metrics.ts';
import { quarantineMetrics } from '../../broker/sessions/quarantine-metrics.ts';
import { brokerMetrics } from '../metrics/broker-metrics.ts';
import type { Metric } from '../../ports/metrics.ts';
import type { RunningBroker } from '../broker/broker.ts';

/** The metrics of a broker and all its parts. */
export function allMetrics(broker: RunningBroker): readonly Metric[] {
  const { parts, trail, options } = broker;
  return [
    ...brokerMetrics(broker),
    ...auditMetrics(trail),
    ...leaseMetrics(parts),
    ...valueMetrics(parts),
    ...quarantineMetrics(parts),
    ...keyMetrics(parts),
    ...rotationMetrics(parts),
    ...options.flatMap(({ metrics }) => metrics?.(parts) ?? []),
  ];
}
