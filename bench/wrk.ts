import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { LOAD_CORE } from './machine.ts';

/** The repeated request to a server. */
export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bodies that are posted in turn, one per line; without them the URL is fetched. */
  readonly bodiesFile?: string;
}

const report = z.object({
  requests: z.int().positive(),
  micros: z.number().positive(),
  refused: z.number(),
  failed: z.number(),
  p50: z.number(),
  p99: z.number(),
});

/** The result of a wrk run; latencies in milliseconds. */
export interface LoadReport {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

const SCRIPT = fileURLToPath(new URL('wrk/load.lua', import.meta.url));
const run = promisify(execFile);

/** @throws if a request failed or was refused: a rate that includes errors means nothing. */
export async function drive(load: Load, seconds: number): Promise<LoadReport> {
  const headers = Object.entries(load.headers).flatMap(([name, value]) => [
    '-H',
    `${name}: ${value}`,
  ]);
  const { stdout } = await run('taskset', [
    '-c',
    String(LOAD_CORE),
    'wrk',
    '-t1',
    `-c${load.connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    SCRIPT,
    ...headers,
    load.url,
    ...(load.bodiesFile === undefined ? [] : ['--', load.bodiesFile]),
  ]);
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  const { requests, micros, refused, failed, p50, p99 } = report.parse(JSON.parse(line));
  if (refused + failed > 0)
    throw new Error(
      `${load.url}: ${refused} of ${requests} requests refused, ${failed} failed\n${stdout}`,
    );
  return { requests, perSecond: (requests * 1e6) / micros, p50: p50 / 1000, p99: p99 / 1000 };
}
