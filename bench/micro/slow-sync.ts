import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOAD_CORE, moveTo, on, SERVER_CORE } from '../machine.ts';
import { pace } from '../latency.ts';
import { offlinePods } from '../servers/pods.ts';
import { startBroker } from '../servers/broker.ts';
import { logIn, OWN_PATHS, seed } from '../servers/seed.ts';
import { Stage } from '../stage.ts';
import { drive } from '../wrk.ts';

/**
 * Prints latency and saturation of reads on disks whose sync takes some milliseconds longer: `node bench/micro/slow-sync.ts`. A library that is loaded
 * before libc adds the time. Needs a C compiler.
 */
const DELAYS_MS = [0, 1, 4, 16];
const RATES = [100, 300, 500];
const ROUNDS = 2;
const SECONDS = 3;

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

const stage = await Stage.open();
try {
  const library = join(stage.directory, 'slow-sync.so');
  writeFileSync(`${library}.c`, LIBRARY);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, `${library}.c`, '-ldl']);
  moveTo(SERVER_CORE);
  const offline = await offlinePods(stage.directory, 1);
  const loads = [];
  for (const delay of DELAYS_MS) {
    const broker = await stage.own(
      startBroker({
        directory: join(stage.directory, `delay-${delay}`),
        connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
        environment: { LD_PRELOAD: library, SYNC_DELAY_US: String(delay * 1000) },
      }),
    );
    await seed(broker.operator);
    const headers = { Authorization: `Bearer ${await logIn(broker.url, offline)}` };
    const url = `${broker.url}/api/v1/secrets/${OWN_PATHS[0] ?? ''}`;
    loads.push({ delay, load: { url, headers, connections: 64 } });
  }
  for (let round = 0; round < ROUNDS; round += 1)
    for (const { delay, load } of loads) {
      for (const perSecond of RATES) {
        const { p50, p99 } = await pace(load, { perSecond, seconds: SECONDS });
        console.log(
          `+${delay} ms, ${perSecond}/s: p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms`,
        );
      }
      const { perSecond, p50, p99 } = await on(LOAD_CORE, () => drive(load, SECONDS));
      const times = `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms`;
      console.log(`+${delay} ms, 64 connections: ${perSecond.toFixed(0)}/s, ${times}`);
    }
} finally {
  await stage.end();
}
