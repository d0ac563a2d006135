import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dump } from 'js-yaml';
import type { Figure } from './figures.ts';
import { LOAD_CORE, processorSeconds } from './machine.ts';
import { resultAlone, type Result } from './result.ts';
import { commandLine, startBroker } from './servers/broker.ts';
import { offlinePods } from './servers/pods.ts';
import { policyFor, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';

const run = promisify(execFile);
/** One line for each policy. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/** Seconds of `apply` with a file of new policies. The broker and the command line have a core each. */
export async function applyResult(
  stage: Stage,
  figure: Figure,
  { policies }: { readonly policies: number },
): Promise<Result> {
  const offline = await offlinePods(stage.directory, 1);
  const directory = join(stage.directory, 'apply');
  const connections = { issuer: { type: 'jwks', file: offline.keySetFile } };
  const broker = await stage.own(startBroker({ directory, connections }));
  await seed(broker.operator);
  const documents = Array.from({ length: policies }, (_, n) => dump(policyFor(`p${n}`)));
  const path = await stage.write('policies.yaml', documents.join('---\n'));
  const { file, args, env } = commandLine(broker, directory, ['apply', '-f', path, '--yes']);
  const [begun, used] = [performance.now(), processorSeconds(broker.pid)];
  await run('taskset', ['-c', String(LOAD_CORE), file, ...args], { env, maxBuffer: MOST_OUTPUT });
  const ours = (performance.now() - begun) / 1000;
  const processor = (processorSeconds(broker.pid) - used).toFixed(2);
  console.log(`apply: ${ours.toFixed(2)} s, ${processor} s of the broker's processor time`);
  return resultAlone(figure, 's', [ours]);
}
