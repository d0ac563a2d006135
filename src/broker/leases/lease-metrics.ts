import type { Metric } from '../../ports/metrics.ts';
import { CREDENTIALS, LEASES } from '../../ports/queries.ts';
import { UNREVOKED } from '../kernel/credential-states.ts';
import type { Storage } from '../state/dependencies.ts';

/** Leases and dynamic credentials, counted in the store at each scrape. */
export function leaseMetrics({ store }: Pick<Storage, 'store'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_credentials',
      help: 'Dynamic credentials by state; irrevocable ones need an operator',
      labels: ['state'],
      values: () =>
        Promise.all(
          UNREVOKED.map(
            async (state) => [{ state }, await store.count(CREDENTIALS.inState(state))] as const,
          ),
        ),
    },
    {
      name: 'quaymaster_leases_live',
      help: 'Live leases',
      value: () => store.count(LEASES.live()),
    },
  ];
}
