import { Counter, Gauge, type Registry } from 'prom-client';
import type { Storage, Work } from '../broker/state/dependencies.ts';
import { ROTATIONS, SCHEDULES } from '../ports/queries.ts';

const OVERDUE_MS = 300_000;
/** A larger number gives no more information. */
const MOST_FAILING = 10_000;
const UNDER_WAY = ['running', 'parked', 'undoing'] as const;

/** Registers the gauges of rotations. Each scrape queries them by index. They show counts and ages but no names. */
export function registerRotations(
  registers: Registry[],
  parts: Storage & Pick<Work, 'vetoes'>,
): void {
  registerStates(registers, parts);
  registerTimes(registers, parts);
}

function registerStates(
  registers: Registry[],
  { store, vetoes }: Pick<Storage, 'store'> & Pick<Work, 'vetoes'>,
): void {
  new Counter({
    name: 'quaymaster_rotation_vetoes_total',
    help: 'Rotations that this process rolled back because several holders reported that the new version does not work',
    registers,
    collect() {
      this.reset();
      this.inc(vetoes.count);
    },
  });
  new Gauge({
    name: 'quaymaster_rotations',
    help: 'Rotations and drills in progress by state; parked ones need an operator',
    labelNames: ['state'],
    registers,
    async collect() {
      for (const state of UNDER_WAY)
        this.set({ state }, await store.count(ROTATIONS.inState(state)));
    },
  });
  new Gauge({
    name: 'quaymaster_rotations_settling',
    help: 'Rotations whose new version is current while the old one still works',
    registers,
    async collect() {
      this.set(await store.count(ROTATIONS.settling()));
    },
  });
  new Gauge({
    name: 'quaymaster_rotations_never_proven',
    help: 'Secrets that rotate and whose rotation was never tested at the target',
    registers,
    async collect() {
      this.set(await store.count(SCHEDULES.neverProven()));
    },
  });
  new Gauge({
    name: 'quaymaster_rotations_failing',
    help: 'Secrets whose last rotation or drill had a step that failed',
    registers,
    async collect() {
      const rows = await store.list(SCHEDULES.failing(1), { limit: MOST_FAILING });
      this.set(rows.length);
    },
  });
}

function registerTimes(registers: Registry[], { store, clock }: Storage): void {
  new Gauge({
    name: 'quaymaster_rotation_overdue_seconds',
    help: 'How long the run or drill that has waited longest is overdue; 0 when none is by five minutes',
    registers,
    async collect() {
      let waited = 0;
      const latest = clock.now() - OVERDUE_MS;
      const [run] = await store.list(SCHEDULES.runsBetween(0, latest), { limit: 1 });
      const [drill] = await store.list(SCHEDULES.drillsBetween(0, latest), { limit: 1 });
      for (const due of [run?.next_run_at, drill?.next_drill_at]) {
        waited = Math.max(waited, clock.now() - (due ?? clock.now()));
      }
      this.set(waited / 1000);
    },
  });
  new Gauge({
    name: 'quaymaster_rotation_oldest_seconds',
    help: 'Age of the credential that was rotated longest ago; 0 when none was yet',
    registers,
    async collect() {
      const [row] = await store.list(SCHEDULES.rotatedFrom(0), { limit: 1 });
      this.set(row === undefined ? 0 : (clock.now() - (row.rotated_at ?? 0)) / 1000);
    },
  });
  new Gauge({
    name: 'quaymaster_rotation_next_timestamp_seconds',
    help: 'When the next scheduled run is due, as Unix time; 0 when none is scheduled',
    registers,
    async collect() {
      const [row] = await store.list(SCHEDULES.runsFrom(0), { limit: 1 });
      this.set((row?.next_run_at ?? 0) / 1000);
    },
  });
}
