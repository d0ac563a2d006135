import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { processorSeconds } from './machine.ts';
import type { RotationMeasure } from './rotation.ts';
import { startBroker } from './servers/broker.ts';
import type { Stage } from './stage.ts';

export interface IdleOptions {
  /** Paths with a schedule. */
  readonly schedules: number;
  readonly settleSeconds: number;
  readonly idleSeconds: number;
}

const YEAR_MS = 365 * 86_400_000;

/**
 * Measures the processor time of two idle brokers side by side: one with many schedules of which none is due, and one without
 * schedules.
 */
export async function idleSchedules(stage: Stage, options: IdleOptions): Promise<RotationMeasure> {
  const brokers = [];
  for (const [name, count] of [
    ['scheduled', options.schedules],
    ['unscheduled', 0],
  ] as const) {
    const directory = join(stage.directory, name);
    const prepare = (file: string): void => insertSchedules(file, count);
    brokers.push(await stage.own(startBroker({ directory, connections: {}, prepare })));
  }
  const pids = brokers.map(({ pid }) => pid);
  await pause(options.settleSeconds * 1000);
  const before = pids.map(processorSeconds);
  await pause(options.idleSeconds * 1000);
  const [ours = Number.NaN, peer = Number.NaN] = pids.map(
    (pid, n) => ((processorSeconds(pid) - (before[n] ?? 0)) * 1000) / options.idleSeconds,
  );
  const ratio = ours / peer;
  return { unit: 'ms of CPU a second', ours, peer, ratio, spread: [ratio, ratio] };
}

/** Inserts rows as definitions create them; the scheduler reads nothing else before one is due. */
function insertSchedules(file: string, count: number): void {
  const database = new Database(file);
  const insert = database.prepare(
    `INSERT INTO rotation_schedules (path, definition_uid, definition_version, next_run_at, next_drill_at, failures)
     VALUES (?, 'uid', 1, ?, ?, 0)`,
  );
  const now = Date.now();
  database.transaction(() => {
    for (let n = 0; n < count; n += 1) {
      const at = now + YEAR_MS + n;
      insert.run(`own/scheduled/n${n}`, at, at);
    }
  })();
  database.close();
}
