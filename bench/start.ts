import { Agent } from 'node:http';
import type { Figure } from './figures.ts';
import { LOAD_CORE, on, processorSeconds } from './machine.ts';
import { post } from './memory.ts';
import { resultAlone, type Result } from './result.ts';
import type { Broker } from './servers/broker.ts';
import { startBroker } from './servers/broker.ts';
import { offlinePods } from './servers/pods.ts';
import { BATCH_BODY, CREATE, logIn, OWN_PATHS, policyFor, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';

export interface StartOptions {
  readonly entries: number;
  readonly policies: number;
  readonly starts: number;
}

const CALLERS = 32;

/** Fills a store with policies and audit entries, and measures the seconds from the start of the process until `/readyz` answers 200. */
export async function startResult(
  stage: Stage,
  figure: Figure,
  { entries, policies, starts }: StartOptions,
): Promise<Result> {
  const offline = await offlinePods(stage.directory, 1);
  const first = await startBroker({
    directory: `${stage.directory}/start`,
    connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
  });
  await seed(first.operator);
  await on(LOAD_CORE, async () => {
    await inTurn(policies, (n) => putPolicy(first, n));
    const token = await logIn(first.url, offline);
    const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
    const batch = `${first.url}/api/v1/secrets:batch`;
    await inTurn(entries / OWN_PATHS.length, () => post(agent, batch, BATCH_BODY, token));
    agent.destroy();
  });
  const times: number[] = [];
  let broker = first;
  for (let n = 0; n < starts; n += 1) {
    await broker.stop();
    const begun = performance.now();
    broker = await broker.restart();
    times.push((performance.now() - begun) / 1000);
    console.log(
      `start ${n + 1}: ${times.at(-1)?.toFixed(2)} s, ${processorSeconds(broker.pid).toFixed(2)} s of processor time`,
    );
  }
  await broker.stop();
  return resultAlone(figure, 's', times);
}

function putPolicy({ operator }: Broker, n: number): Promise<unknown> {
  const name = `p${n}`;
  return operator.call('putPolicy', { path: { name }, headers: CREATE, body: policyFor(name) });
}

/** Does something `count` times, with some calls at once. */
async function inTurn(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}
