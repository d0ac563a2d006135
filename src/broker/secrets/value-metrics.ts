import type { Metric } from '../../ports/metrics.ts';
import type { Values } from '../state/dependencies.ts';

export function valueMetrics({ values: cache }: Pick<Values, 'values'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_value_cache_reads_total',
      help: 'Reads of current values by connection: hit if memory answered, miss if the backend had to',
      labels: ['connection', 'result'],
      values: () =>
        [...cache.tallies].flatMap(([connection, { hits, misses }]) => [
          [{ connection, result: 'hit' }, hits],
          [{ connection, result: 'miss' }, misses],
        ]),
    },
  ];
}
