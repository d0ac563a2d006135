import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerClient, components } from '../src/client/index.ts';
import { AccountReceiver } from '../test/kit/rotation/account-receiver.ts';
import { LOAD_CORE, on } from './machine.ts';
import { median } from './result.ts';
import type { RotationMeasure } from './rotation.ts';
import { startBroker, type Broker } from './servers/broker.ts';
import { CREATE, seed, logIn, OWN_PATHS } from './servers/seed.ts';
import { offlinePods } from './servers/pods.ts';
import type { Stage } from './stage.ts';
import { drive, type Load } from './wrk.ts';

export interface DueOptions {
  /** Number of secrets that rotate within one minute. */
  readonly rotations: number;
  readonly rounds: number;
  readonly seconds: number;
}

const READERS = 64;
/** The target's latency for each request. */
const LATENCY_MS = 500;
const MINUTE_MS = 60_000;
const LONGEST_MINUTES = 30;
/** Time to create a definition and its value. */
const MAKING_MS = 60;
const AT_ONCE = 16;
const LOOK_MS = 1_000;
/** Pause between rounds of reads, during which only rotations run. */
const ROUND_PAUSE_MS = 10_000;

/** Rotates this many secrets within one minute at one slow target, and reads another secret before, during and after. */
export async function dueAtOnce(
  stage: Stage,
  options: DueOptions,
): Promise<Readonly<Record<'rotation-thousand' | 'rotation-reads', RotationMeasure>>> {
  const offline = await offlinePods(stage.directory, 1);
  const target = await stage.own(AccountReceiver.start());
  target.latencyMs = LATENCY_MS;
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'rotating'),
      connections: {
        issuer: { type: 'jwks', file: offline.keySetFile },
        portal: target.connection(),
      },
    }),
  );
  await seed(broker.operator);
  const load = loadOf(broker, await logIn(broker.url, offline));
  return on(LOAD_CORE, async () => {
    const due = await define(broker.operator, target, options.rotations);
    const quiet = [...(await rounds(load, options))];
    await pause(Math.max(0, due + LOOK_MS - Date.now()));
    const done = untilDone(target, options.rotations);
    await pause(ROUND_PAUSE_MS);
    const during = await rounds(load, options, () => target.steps('retire').length);
    const minutes = ((await done) - due) / MINUTE_MS;
    await expectRotated(broker.operator, options.rotations);
    quiet.push(...(await rounds(load, options)));
    return measures(minutes, quiet, during);
  });
}

function loadOf({ url }: Broker, session: string): Load {
  return {
    url: `${url}/api/v1/secrets/${OWN_PATHS[0]}`,
    connections: READERS,
    headers: { Authorization: `Bearer ${session}` },
  };
}

/** @returns the earliest due time; all rotations are due within a minute after it. */
async function define(
  operator: BrokerClient,
  target: AccountReceiver,
  count: number,
): Promise<number> {
  const earliest = Date.now() + MINUTE_MS + count * MAKING_MS;
  const due = new Date(Math.ceil(earliest / MINUTE_MS) * MINUTE_MS);
  const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
  await defineRotations({ operator, target }, count, cron);
  if (Date.now() > due.getTime()) throw new Error('the definitions were not made before the run');
  return due.getTime();
}

/** Creates this many secrets of the mount `own`, each the password of an account at the connection `portal`, with this schedule. */
export async function defineRotations(
  { operator, target }: { readonly operator: BrokerClient; readonly target: AccountReceiver },
  count: number,
  cron: string,
): Promise<void> {
  let next = 0;
  const maker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const at = { path: { path: `own/due/n${n}` }, headers: CREATE };
      const password = `first of ${n}`;
      const body = { data: { password } };
      target.allow(`accounts/n${n}`, password);
      await operator.call('writeSecret', { ...at, body });
      await operator.call('putDefinition', { ...at, body: rotating(n, cron) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, maker));
}

function rotating(n: number, cron: string): components['schemas']['Definition'] {
  return {
    rotation: {
      connection: 'portal',
      strategy: 'webhook',
      options: { target: `accounts/n${n}`, slots: 'two' },
      schedule: { cron },
      jitter: '59s',
    },
  };
}

/** @returns when the last old credential was revoked. */
async function untilDone(target: AccountReceiver, count: number): Promise<number> {
  const end = Date.now() + LONGEST_MINUTES * MINUTE_MS;
  const retired = (): number =>
    new Set(target.steps('retire').map((delivered) => delivered.target)).size;
  while (retired() < count) {
    if (Date.now() > end)
      throw new Error(
        `${retired()} of ${count} old passwords revoked after ${LONGEST_MINUTES} minutes`,
      );
    await pause(LOOK_MS);
  }
  return Date.now();
}

async function expectRotated(operator: BrokerClient, count: number): Promise<void> {
  let rotated = 0;
  for await (const { rotatedAt } of operator.pages('listRotations')) {
    if (rotatedAt !== undefined) rotated += 1;
  }
  if (rotated !== count) throw new Error(`${rotated} of ${count} have rotated`);
}

async function rounds(
  load: Load,
  { rounds: count, seconds }: DueOptions,
  isOn: () => number = () => 0,
): Promise<readonly number[]> {
  const found: number[] = [];
  // The first seconds after a pause are slow, with and without rotations, because caches, connections and memory pages are cold.
  await drive(load, seconds);
  for (let round = 0; round < count; round += 1) {
    if (round > 0) await pause(ROUND_PAUSE_MS);
    const { p99, perSecond } = await drive(load, seconds);
    console.log(`reads: ${Math.round(perSecond)}/s, p99 ${p99.toFixed(1)} ms, ${isOn()} rotated`);
    found.push(p99);
  }
  return found;
}

function measures(
  minutes: number,
  quiet: readonly number[],
  during: readonly number[],
): Readonly<Record<'rotation-thousand' | 'rotation-reads', RotationMeasure>> {
  const ours = median(during);
  const peer = median(quiet);
  return {
    'rotation-thousand': {
      unit: 'minutes',
      ours: minutes,
      peer: null,
      ratio: null,
      spread: [minutes, minutes],
    },
    'rotation-reads': {
      unit: 'ms',
      ours,
      peer,
      ratio: ours / peer,
      spread: [Math.min(...during) / peer, Math.max(...during) / peer],
    },
  };
}
