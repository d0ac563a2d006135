import { QUARANTINE_KINDS } from '../../domain/identity/quarantine.ts';
import type { Metric } from '../../ports/metrics.ts';
import type { Access } from '../state/dependencies.ts';

export function quarantineMetrics({ quarantines }: Pick<Access, 'quarantines'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_quarantines',
      help: 'Quarantines in force, by what they cover',
      labels: ['kind'],
      values() {
        const inForce = quarantines.inForce().filter(({ mode }) => mode === undefined);
        return QUARANTINE_KINDS.map((kind) => [
          { kind },
          inForce.filter((each) => each.kind === kind).length,
        ]);
      },
    },
  ];
}
