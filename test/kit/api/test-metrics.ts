import { RegisteredMetrics } from '../../../src/program/metrics/registered-metrics.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { createLog } from '../../../src/process/log.ts';

/** Metrics of a test that reads no log. */
export function testMetrics(): RegisteredMetrics {
  return new RegisteredMetrics({
    clock: systemClock,
    log: createLog({ level: 'fatal', clock: systemClock }),
  });
}
