import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { SYNC_DELAYS_MS, type SyncFigure, type SyncMeasure } from './figures.ts';
import { pace } from './latency.ts';
import { LOAD_CORE, on } from './machine.ts';
import { median, type Result } from './result.ts';
import { startBroker } from './servers/broker.ts';
import { offlinePods, type OfflinePods } from './servers/pods.ts';
import { logIn, loginBody, OWN_PATHS, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';
import { drive, type Load } from './wrk.ts';

export interface SyncOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

const PER_SECOND = 500;
const READERS = 64;
const LOGINS = 4;
const TOKENS = 500;

/** A library that is loaded before libc and adds a time to each sync. */
const LIBRARY = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int slow(const char *name, int fd) {
  const char *micros = getenv("SYNC_DELAY_US");
  int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  if (micros != NULL && atoi(micros) > 0) usleep(atoi(micros));
  return sync(fd);
}
int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
`;

type Reports = Record<SyncMeasure, number[]>;

/** The loads of one broker, and what was measured in each round. */
interface Delayed {
  readonly delay: number;
  readonly reads: Load;
  readonly logins: Load;
  readonly reports: Reports;
}

/**
 * Measures reads and logins on disks whose sync takes some milliseconds longer, one broker for each delay. A figure is compared with the broker without a delay
 * in the same round.
 */
export async function syncResults(
  stage: Stage,
  figures: readonly SyncFigure[],
  { rounds, seconds, progress }: SyncOptions,
): Promise<readonly Result[]> {
  const library = await compile(stage);
  const offline = await offlinePods(stage.directory, TOKENS);
  const delayed: Delayed[] = [];
  for (const delay of SYNC_DELAYS_MS) delayed.push(await start(stage, { delay, library, offline }));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < delayed.length; turn += 1) {
      const one = delayed[(round + turn) % delayed.length];
      if (one === undefined) continue;
      await measure(one, seconds);
      const shown = Object.entries(one.reports).map(
        ([name, all]) => `${name} ${all.at(-1)?.toFixed(2)}`,
      );
      progress(`round ${round + 1} of ${rounds}: +${one.delay} ms: ${shown.join(', ')}`);
    }
  }
  return figures.map((figure) => resultOf(figure, delayed));
}

async function compile(stage: Stage): Promise<string> {
  const source = await stage.write('slow-sync.c', LIBRARY);
  const library = join(stage.directory, 'slow-sync.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  return library;
}

async function start(
  stage: Stage,
  {
    delay,
    library,
    offline,
  }: { readonly delay: number; readonly library: string; readonly offline: OfflinePods },
): Promise<Delayed> {
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, `delay-${delay}`),
      connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
      environment: { LD_PRELOAD: library, SYNC_DELAY_US: String(delay * 1000) },
    }),
  );
  await seed(broker.operator);
  const bodies = offline.tokens.map((token) => loginBody('offline', token)).join('\n');
  const bodiesFile = await stage.write(`logins-${delay}`, `${bodies}\n`);
  const headers = { Authorization: `Bearer ${await logIn(broker.url, offline)}` };
  const api = `${broker.url}/api/v1`;
  const reads = { url: `${api}/secrets/${OWN_PATHS[0]}`, headers, connections: READERS };
  const logins = { url: `${api}/sessions`, headers: {}, connections: LOGINS, bodiesFile };
  await on(LOAD_CORE, () => drive(reads, 1));
  return { delay, reads, logins, reports: { p50: [], p99: [], rate: [], login: [] } };
}

async function measure({ reads, logins, reports }: Delayed, seconds: number): Promise<void> {
  const { p50, p99 } = await pace(reads, { perSecond: PER_SECOND, seconds });
  const saturated = await on(LOAD_CORE, () => drive(reads, seconds));
  const [beside] = await on(LOAD_CORE, () =>
    Promise.all([drive(logins, seconds), drive(reads, seconds)]),
  );
  reports.p50.push(p50);
  reports.p99.push(p99);
  reports.rate.push(Math.round(saturated.perSecond));
  reports.login.push(beside.p99);
}

function resultOf(
  { name, label, delay, measure: measured }: SyncFigure,
  all: readonly Delayed[],
): Result {
  const of = (ms: number): readonly number[] =>
    all.find((one) => one.delay === ms)?.reports[measured] ?? [];
  const [ours, undelayed] = [of(delay), of(0)];
  const ratios = ours.map((each, round) => each / (undelayed[round] ?? Number.NaN));
  return {
    name,
    label,
    unit: measured === 'rate' ? '/s' : 'ms',
    ours: median(ours),
    peer: median(undelayed),
    ratio: median(ratios),
    target: 'none',
    isReached: true,
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
