import { readFileSync } from 'node:fs';
import { treeSeconds } from './machine.ts';

/** Processor time that the run did not use itself, as shares of one core of this machine. */
export interface Noise {
  /** Time that the host gave to other machines (proc_stat(5), `steal`). */
  readonly steal: number;
  /** Time of processes that the benchmark did not start. */
  readonly foreign: number;
}

/** Limits of a quiet machine. Beyond them the ratios may be wrong, because others take more from one peer than from the other. */
const MOST: Noise = { steal: 0.03, foreign: 0.15 };
const TICKS_PER_SECOND = 100;

interface Reading {
  readonly atMs: number;
  readonly busy: number;
  readonly steal: number;
  readonly own: number;
}

/** Begins to watch the machine. The returned function tells what disturbed the run since then. */
export function watchNoise(): () => Noise {
  const begun = read();
  return () => {
    const now = read();
    const seconds = (now.atMs - begun.atMs) / 1000;
    const own = now.own - begun.own;
    return {
      steal: (now.steal - begun.steal) / seconds,
      foreign: Math.max(0, now.busy - begun.busy - own) / seconds,
    };
  };
}

function read(): Reading {
  const [user, nice, system, , , interrupts, softInterrupts, steal] = (
    /^cpu +(.+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  )
    .split(' ')
    .map((ticks) => Number(ticks) / TICKS_PER_SECOND) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    atMs: performance.now(),
    busy: user + nice + system + interrupts + softInterrupts,
    steal,
    own: treeSeconds(process.pid),
  };
}

/** One line about the quiet of the machine, for the end of a run. */
export function noiseLine({ steal, foreign }: Noise): string {
  const shares = `other processes took ${percent(foreign)} of a core, the host ${percent(steal)}`;
  const isNoisy = steal > MOST.steal || foreign > MOST.foreign;
  return isNoisy
    ? `NOISY: ${shares}. Do not trust these figures: repeat the run on a quiet machine (at most ${percent(MOST.foreign)} and ${percent(MOST.steal)}).`
    : `quiet: ${shares}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
