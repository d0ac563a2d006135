import type { Backends, Storage } from '../state/dependencies.ts';

/** The schedule of a secret as its readers know it. */
export interface ShownSchedule {
  /** Seconds from one rotation to the next. */
  readonly periodSeconds: number;
  /** Seconds until the next rotation begins, or until a reader should poll while one is in progress. */
  readonly seconds: number;
}

/** A rotation in progress publishes its value within seconds or hours; its readers poll this often. */
const POLL_SECONDS = 10;

/** Finds when a secret rotates next, for a caller that read it. @returns undefined if nothing is scheduled */
export async function shownSchedule(
  { catalog, store, clock }: Pick<Backends, 'catalog'> & Storage,
  path: string,
): Promise<ShownSchedule | undefined> {
  const spec = catalog.find('definition', path)?.spec.rotation;
  if (spec?.schedule === undefined || spec.paused) return undefined;
  const row = await store.get('rotation_schedules', { path });
  const untilRun = Math.ceil(((row?.next_run_at ?? 0) - clock.now()) / 1_000);
  const seconds = Math.max(POLL_SECONDS, untilRun);
  const { schedule } = spec;
  return { periodSeconds: 'everySeconds' in schedule ? schedule.everySeconds : seconds, seconds };
}
