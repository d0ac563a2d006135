import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { acknowledgeResults } from './acknowledge.ts';
import { fleetResults } from './agent/fleet.ts';
import { startUpResults } from './agent/start-up.ts';
import { applyResult } from './apply.ts';
import { besideResults } from './beside.ts';
import { brokersResults } from './brokers.ts';
import {
  ACKNOWLEDGE_FIGURES,
  AGENT_FIGURES,
  APPLY_FIGURES,
  BEFORE_FIGURES,
  BESIDE_FIGURES,
  BROKERS_FIGURES,
  CONSOLE_FIGURES,
  FLEET_FIGURES,
  LATENCY_FIGURES,
  MEMORY_FIGURES,
  POSTGRES_FIGURES,
  POSTURE_FIGURES,
  QUICK_FIGURES,
  RATIO_FIGURES,
  ROTATION_FIGURES,
  SEARCH_FIGURES,
  START_FIGURES,
  SYNC_FIGURES,
  type RatioFigure,
} from './figures.ts';
import { consoleResults } from './console.ts';
import { latencyResults } from './latency.ts';
import { setUp } from './load-stage.ts';
import { assertMachine, describeMachine, moveTo, SERVER_CORE } from './machine.ts';
import { memoryResult } from './memory.ts';
import { noiseLine, watchNoise, type Noise } from './noise.ts';
import { postgresResults } from './postgres.ts';
import { ratioResult } from './ratios.ts';
import { chart } from './report/chart.ts';
import { figureLines, variantLines, variantRecords } from './report/table.ts';
import type { Result } from './result.ts';
import { postureResults } from './posture.ts';
import { rotationResults } from './rotation.ts';
import { runRounds, type Samples } from './rounds.ts';
import { searchResults } from './search.ts';
import { Stage } from './stage.ts';
import { startResult } from './start.ts';
import { syncResults } from './sync.ts';

interface Options {
  readonly out: string;
  readonly only: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly quick?: true;
  readonly before?: string;
  readonly searched?: number;
}

const FULL = {
  sessions: 10_000,
  pods: 10_000,
  settleSeconds: 10,
  entries: 1_200_000,
  policies: 10_000,
  beside: 300_000,
  searched: 1_000_000,
  starts: 5,
  rotations: 1_000,
  schedules: 10_000,
  idleSeconds: 60,
  restSeconds: 3,
  brokers: 20,
  watchSeconds: 15,
  agents: 10_000,
  launchSeconds: 60,
  outageSeconds: 300,
  leasePages: 100,
};
const QUICK = {
  sessions: 200,
  pods: 1_000,
  settleSeconds: 1,
  entries: 2_000,
  policies: 100,
  beside: 2_000,
  searched: 5_000,
  starts: 1,
  rotations: 10,
  schedules: 100,
  idleSeconds: 5,
  restSeconds: 1,
  brokers: 3,
  watchSeconds: 2,
  agents: 200,
  launchSeconds: 2,
  outageSeconds: 3,
  leasePages: 3,
};
const FIGURES = [
  ...BEFORE_FIGURES,
  ...RATIO_FIGURES,
  ...LATENCY_FIGURES,
  ...SYNC_FIGURES,
  ...BESIDE_FIGURES,
  ...ACKNOWLEDGE_FIGURES,
  ...POSTGRES_FIGURES,
  ...BROKERS_FIGURES,
  ...MEMORY_FIGURES,
  ...START_FIGURES,
  ...APPLY_FIGURES,
  ...POSTURE_FIGURES,
  ...SEARCH_FIGURES,
  ...ROTATION_FIGURES,
  ...AGENT_FIGURES,
  ...FLEET_FIGURES,
  ...CONSOLE_FIGURES,
];
const NAMES = FIGURES.map(({ name }) => name);

const program = new Command('bench')
  .description('Measures the built broker against a bare node:http server and a real OpenBao.')
  .option('--out <dir>', 'where bench.json and the rest go', 'bench-out')
  .option(
    '--only <name>',
    `figures whose names begin so; may be repeated: ${NAMES.join(', ')}`,
    collect,
    [],
  )
  .option('--rounds <count>', 'how often each variant is driven', positive, 3)
  .option('--seconds <count>', 'how long each time', positive, 3)
  .option(
    '--quick',
    'one short round and little data, to show that it runs; without --only, reads, batches and logins against the bare server',
  )
  .option('--searched <count>', 'entries of the long log of the search figures', positive)
  .option('--before <dir>', 'also another checkout that is built, side by side: figures before-*')
  .addHelpText(
    'after',
    `
Examples:
  $ npm run bench -- --quick
  $ npm run bench -- --only login --rounds 5
  $ npm run bench -- --only before --before ../other-checkout`,
  )
  .action(bench);

function collect(name: string, names: readonly string[]): readonly string[] {
  if (!NAMES.some((known) => known.startsWith(name)))
    throw new InvalidArgumentError(`there are ${NAMES.join(', ')}`);
  return [...names, name];
}

function positive(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a number from 1');
  return count;
}

async function bench(options: Options): Promise<void> {
  assertMachine(tmpdir());
  moveTo(SERVER_CORE);
  const noise = watchNoise();
  const quick: readonly string[] = options.quick === true ? QUICK_FIGURES : [];
  const chosen = options.only.length > 0 ? options.only : quick;
  const isChosen = ({ name }: { readonly name: string }): boolean =>
    chosen.length === 0 || chosen.some((start) => name.startsWith(start));
  const ratios = [...(options.before === undefined ? [] : BEFORE_FIGURES), ...RATIO_FIGURES].filter(
    isChosen,
  );
  const samples = await measureLoads(options, ratios);
  const results: Result[] = ratios.map((each) => ratioResult(each, samples));
  const defaults = options.quick === true ? QUICK : FULL;
  const settings = { ...defaults, searched: options.searched ?? defaults.searched };
  const latency = LATENCY_FIGURES.filter(isChosen);
  if (latency.length > 0) {
    const length = {
      ...lengthOf(options),
      progress: (line: string) => console.log(line),
    };
    results.push(...(await staged((stage) => latencyResults(stage, latency, length))));
  }
  const sync = SYNC_FIGURES.filter(isChosen);
  if (sync.length > 0) {
    const progress = (line: string): void => console.log(line);
    const length = { ...lengthOf(options), progress };
    results.push(...(await staged((stage) => syncResults(stage, sync, length))));
  }
  const beside = BESIDE_FIGURES.filter(isChosen);
  if (beside.length > 0) {
    const length = { ...lengthOf(options), entries: settings.beside };
    const progress = (line: string): void => console.log(line);
    results.push(
      ...(await staged((stage) => besideResults(stage, beside, { ...length, progress }))),
    );
  }
  const acknowledge = ACKNOWLEDGE_FIGURES.filter(isChosen);
  if (acknowledge.length > 0) {
    const progress = (line: string): void => console.log(line);
    const length = { ...lengthOf(options), progress };
    results.push(...(await staged((stage) => acknowledgeResults(stage, acknowledge, length))));
  }
  const postgres = POSTGRES_FIGURES.filter(isChosen);
  if (postgres.length > 0) {
    const length = { ...lengthOf(options), before: options.before };
    const progress = (line: string): void => console.log(line);
    results.push(
      ...(await staged((stage) => postgresResults(stage, postgres, { ...length, progress }))),
    );
  }
  const brokers = BROKERS_FIGURES.filter(isChosen);
  if (brokers.length > 0) {
    const progress = (line: string): void => console.log(line);
    results.push(
      ...(await staged((stage) => brokersResults(stage, brokers, { ...settings, progress }))),
    );
  }
  for (const figure of MEMORY_FIGURES.filter(isChosen)) {
    results.push(await staged((stage) => memoryResult(stage, figure, settings)));
  }
  for (const figure of START_FIGURES.filter(isChosen)) {
    results.push(await staged((stage) => startResult(stage, figure, settings)));
  }
  for (const figure of APPLY_FIGURES.filter(isChosen)) {
    results.push(await staged((stage) => applyResult(stage, figure, settings)));
  }
  const posture = POSTURE_FIGURES.filter(isChosen);
  if (posture.length > 0) results.push(...(await postureResults(posture, settings)));
  const search = SEARCH_FIGURES.filter(isChosen);
  if (search.length > 0) {
    const progress = (line: string): void => console.log(line);
    results.push(
      ...(await staged((stage) => searchResults(stage, search, { ...settings, progress }))),
    );
  }
  const rotation = ROTATION_FIGURES.filter(isChosen);
  if (rotation.length > 0) {
    const length = lengthOf(options);
    const measure = (stage: Stage): Promise<readonly Result[]> =>
      rotationResults(stage, rotation, { ...settings, ...length });
    results.push(...(await staged(measure)));
  }
  const agent = AGENT_FIGURES.filter(isChosen);
  if (agent.length > 0) {
    const length = { ...settings, ...lengthOf(options) };
    results.push(...(await staged((stage) => startUpResults(stage, agent, length))));
  }
  const fleet = FLEET_FIGURES.filter(isChosen);
  if (fleet.length > 0)
    results.push(...(await staged((stage) => fleetResults(stage, fleet, settings))));
  const page = CONSOLE_FIGURES.filter(isChosen);
  if (page.length > 0)
    results.push(...(await staged((stage) => consoleResults(stage, page, settings))));
  await publish(options.out, { samples, results, noise: noise() });
}

function lengthOf({ quick, rounds, seconds }: Options): Pick<Options, 'rounds' | 'seconds'> {
  return quick === true ? { rounds: 1, seconds: 1 } : { rounds, seconds };
}

async function measureLoads(options: Options, figures: readonly RatioFigure[]): Promise<Samples> {
  const wanted = new Set(figures.flatMap(({ ours, peer }) => [ours, peer]));
  if (wanted.size === 0) return new Map();
  const length = lengthOf(options);
  return staged(async (stage) => {
    console.log('starting servers');
    const { before } = options;
    const mainBefore = before === undefined ? undefined : resolve(before, 'dist/quaymaster.cjs');
    const variants = await setUp(stage, wanted, mainBefore);
    return runRounds(variants, {
      ...length,
      progress: (line) => console.log(line),
    });
  });
}

/** Stops all servers that `work` started, also if it fails or the run is interrupted. */
async function staged<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = await Stage.open();
  const interrupt = (): void => void stage.end().finally(() => process.exit(130));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, interrupt);
  try {
    return await work(stage);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
    await stage.end();
  }
}

interface Measured {
  readonly samples: Samples;
  readonly results: readonly Result[];
  readonly noise: Noise;
}

async function publish(out: string, { samples, results, noise }: Measured): Promise<void> {
  const described = describeMachine();
  const machine = `${described}; ${noiseLine(noise)}`;
  await mkdir(out, { recursive: true });
  const write = (name: string, text: string): Promise<void> => writeFile(join(out, name), text);
  await write('bench.json', `${JSON.stringify(results, null, 2)}\n`);
  await write(
    'variants.json',
    `${JSON.stringify({ machine, noise, variants: variantRecords(samples) }, null, 2)}\n`,
  );
  await write('bench.html', chart(results, machine));
  const lines = [
    described,
    '',
    ...variantLines(samples),
    '',
    ...figureLines(results),
    '',
    noiseLine(noise),
  ];
  console.log(`\n${lines.join('\n')}\n\nwritten to ${out}`);
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
