import type { Rights } from '../state/dependencies.ts';
import type { Payer } from '../state/fitness.ts';

/** Performs work on the event loop and charges its time, from a millisecond on. The time is charged also if the work fails. */
export function measured<T>(
  { clock }: Pick<Rights, 'clock'>,
  payer: Payer | undefined,
  work: () => T,
): T {
  const begin = clock.monotonic();
  try {
    return work();
  } finally {
    const spentMs = clock.monotonic() - begin;
    if (spentMs >= 1) payer?.spend(spentMs);
  }
}
