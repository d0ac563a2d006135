import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

const USUAL = 2;
const MOST_YOUNG_BYTES = 32 * 1024 * 1024;

/**
 * Runs `start` with V8's young generation kept at its first size. Loading modules would make it grow to its maximum, which an
 * idle process never returns to the system (measured: 110 MB resident instead of 133). Under load it grows afterwards, up to a
 * bound.
 */
export async function leanStart<T>(start: () => Promise<T>): Promise<T> {
  growBy(1);
  try {
    return await start();
  } finally {
    growBy(USUAL);
    boundYoungGeneration();
  }
}

/**
 * V8 lets the young generation grow to 128 MB on a machine with much memory (measured: a steady load took 190 to 240 MB more within minutes). The
 * size limit is fixed when the process starts, but the growth factor is not. V8 may shrink the space when idle, so the factor follows its size.
 */
function boundYoungGeneration(): void {
  let factor = USUAL;
  const observer = new PerformanceObserver(() => {
    const wanted = youngBytes() < MOST_YOUNG_BYTES ? USUAL : 1;
    if (wanted !== factor) growBy((factor = wanted));
  });
  observer.observe({ entryTypes: ['gc'] });
}

function youngBytes(): number {
  const spaces = getHeapSpaceStatistics();
  return spaces.find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}

function growBy(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}
