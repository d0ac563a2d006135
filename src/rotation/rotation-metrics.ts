import type { Metric } from '../ports/metrics.ts';
import { ROTATIONS, SCHEDULES } from '../ports/queries.ts';
import type { Storage, Work } from '../broker/state/dependencies.ts';

const OVERDUE_MS = 300_000;
/** A larger number gives no more information. */
const MOST_FAILING = 10_000;
const UNFINISHED = ['running', 'parked', 'undoing'] as const;

/** The metrics of rotations. Each scrape queries them by index. */
export function rotationMetrics({
  store,
  clock,
  vetoes,
}: Storage & Pick<Work, 'vetoes'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_rotation_vetoes_total',
      help: 'Rotations that this process rolled back because several holders reported that the new version does not work',
      value: () => vetoes.count,
    },
    {
      name: 'quaymaster_rotations',
      help: 'Rotations and drills in progress by state; parked ones need an operator',
      labels: ['state'],
      values: () =>
        Promise.all(
          UNFINISHED.map(
            async (state) => [{ state }, await store.count(ROTATIONS.inState(state))] as const,
          ),
        ),
    },
    {
      name: 'quaymaster_rotations_settling',
      help: 'Rotations whose new version is current while the old one still works',
      value: () => store.count(ROTATIONS.settling()),
    },
    {
      name: 'quaymaster_rotations_never_proven',
      help: 'Secrets that rotate and whose rotation was never tested at the target',
      value: () => store.count(SCHEDULES.neverProven()),
    },
    {
      name: 'quaymaster_rotations_failing',
      help: 'Secrets whose last rotation or drill had a step that failed',
      value: async () => (await store.list(SCHEDULES.failing(1), { limit: MOST_FAILING })).length,
    },
    {
      name: 'quaymaster_rotation_overdue_seconds',
      help: 'How long the run or drill that has waited longest is overdue; 0 when none is by five minutes',
      async value() {
        const latest = clock.now() - OVERDUE_MS;
        const [run] = await store.list(SCHEDULES.runsBetween(0, latest), { limit: 1 });
        const [drill] = await store.list(SCHEDULES.drillsBetween(0, latest), { limit: 1 });
        const now = clock.now();
        return (
          Math.max(0, now - (run?.next_run_at ?? now), now - (drill?.next_drill_at ?? now)) / 1000
        );
      },
    },
    {
      name: 'quaymaster_rotation_oldest_seconds',
      help: 'Age of the credential that was rotated longest ago; 0 when none was yet',
      async value() {
        const [row] = await store.list(SCHEDULES.rotatedFrom(0), { limit: 1 });
        return row === undefined ? 0 : (clock.now() - (row.rotated_at ?? 0)) / 1000;
      },
    },
    {
      name: 'quaymaster_rotation_next_timestamp_seconds',
      help: 'When the next scheduled run is due, as Unix time; 0 when none is scheduled',
      async value() {
        const [row] = await store.list(SCHEDULES.runsFrom(0), { limit: 1 });
        return (row?.next_run_at ?? 0) / 1000;
      },
    },
  ];
}
