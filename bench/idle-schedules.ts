import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AccountReceiver } from '../test/kit/rotation/account-receiver.ts';
import { defineRotations } from './due-at-once.ts';
import { LOAD_CORE, on, processorSeconds } from './machine.ts';
import type { RotationMeasure } from './rotation.ts';
import { startBroker } from './servers/broker.ts';
import { putMount } from './servers/seed.ts';
import type { Stage } from './stage.ts';

export interface IdleOptions {
  /** Paths with a schedule. */
  readonly schedules: number;
  readonly settleSeconds: number;
  readonly idleSeconds: number;
}

/** A schedule whose next date is half a year away. */
function farCron(): string {
  const month = ((new Date().getUTCMonth() + 6) % 12) + 1;
  return `0 0 1 ${month} *`;
}

/**
 * Measures the processor time of two idle brokers side by side: one with many schedules of which none is due, and one without
 * schedules. Both restart before they are measured.
 */
export async function idleSchedules(stage: Stage, options: IdleOptions): Promise<RotationMeasure> {
  const target = await stage.own(AccountReceiver.start());
  const connections = { portal: target.connection() };
  const brokers = [];
  for (const [name, count] of [
    ['scheduled', options.schedules],
    ['unscheduled', 0],
  ] as const) {
    const directory = join(stage.directory, name);
    const filled = await stage.own(startBroker({ directory, connections }));
    const { operator } = filled;
    await putMount(operator, 'own', { prefix: 'own', connection: 'embedded' });
    await on(LOAD_CORE, () => defineRotations({ operator, target }, count, farCron()));
    brokers.push(await stage.own(filled.restart()));
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
