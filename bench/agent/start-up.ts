import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Figure, AgentName } from '../figures.ts';
import { holds, targetText } from '../figures.ts';
import { BOTH_CORES, on, residentMegabytes } from '../machine.ts';
import { median, type Result } from '../result.ts';
import { startBroker } from '../servers/broker.ts';
import { seed } from '../servers/seed.ts';
import { enableJwtLogin, startPeer } from '../servers/open-bao.ts';
import { offlinePods } from '../servers/pods.ts';
import type { Stage } from '../stage.ts';
import { baoAgent } from './bao-agent.ts';
import { ourAgent } from './our-agent.ts';

/** An agent that the benchmark can start repeatedly. */
export interface Contender {
  /** The files that it writes; they exist once it has started. */
  readonly files: readonly string[];
  /** Emptied before each start. */
  readonly directory: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface StartUpOptions {
  readonly rounds: number;
  /** Pause between the last file and the memory measurement. */
  readonly restSeconds: number;
}

interface Start {
  readonly milliseconds: number;
  readonly megabytes: number;
}

/** Starts per round: a start is short, so other load on the machine affects each single one. */
const STARTS_A_ROUND = 5;
const LOOK_MS = 1;
const LONGEST_MS = 30_000;

/**
 * Starts our agent and OpenBao's in turn. Measures the time from the start of the process to the last of ten files, and resident memory a
 * while later.
 */
export async function startUpResults(
  stage: Stage,
  figures: readonly Figure<AgentName>[],
  options: StartUpOptions,
): Promise<readonly Result[]> {
  const contenders = await setUp(stage);
  const starts = contenders.map((): Start[] => []);
  const count = options.rounds * STARTS_A_ROUND;
  for (let round = 0; round < count; round += 1) {
    const rest = round % STARTS_A_ROUND === 0 ? options.restSeconds : 0;
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const contender = contenders[index];
      if (contender !== undefined) starts[index]?.push(await startOnce(contender, rest));
    }
  }
  return figures.map((figure) => resultOf(figure, starts[0] ?? [], starts[1] ?? []));
}

async function setUp(stage: Stage): Promise<readonly Contender[]> {
  const offline = await offlinePods(stage.directory, 1);
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'agents'),
      connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
    }),
  );
  await seed(broker.operator);
  const peer = await startPeer(stage);
  await enableJwtLogin(peer, offline);
  // In memory, like the volumes of pods.
  const inMemory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = await mkdtemp(join(inMemory, 'quaymaster-bench-'));
  stage.onEnd(() => rm(directory, { recursive: true, force: true }));
  const place = { url: broker.url, token: offline.tokens[0] ?? '', directory };
  return [await ourAgent(stage, place), await baoAgent(stage, peer, place)];
}

async function startOnce(contender: Contender, restSeconds: number): Promise<Start> {
  for (const file of contender.files) await rm(file, { force: true });
  await rm(join(contender.directory, 'secrets'), { recursive: true, force: true });
  return on(BOTH_CORES, async () => {
    const { command, args, env, directory } = contender;
    const began = performance.now();
    const agent = spawn(command, args, {
      cwd: directory,
      env: { PATH: '/usr/bin', HOME: directory, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    agent.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    try {
      const milliseconds = await untilWritten(contender, agent, began).catch((error: unknown) => {
        throw new Error(`${command}: ${String(error)}\n${said.slice(-2_000)}`);
      });
      await pause(restSeconds * 1_000);
      return {
        milliseconds,
        megabytes: restSeconds > 0 ? residentMegabytes(agent.pid ?? 0) : Number.NaN,
      };
    } finally {
      const ended = once(agent, 'exit');
      if (agent.exitCode === null && agent.kill('SIGKILL')) await ended;
    }
  });
}

async function untilWritten(
  { files }: Contender,
  agent: ChildProcess,
  began: number,
): Promise<number> {
  const missing = new Set(files);
  for (;;) {
    for (const file of missing) if (existsSync(file)) missing.delete(file);
    const milliseconds = performance.now() - began;
    if (missing.size === 0) return milliseconds;
    if (agent.exitCode !== null || milliseconds > LONGEST_MS) throw new Error('wrote no files');
    await pause(LOOK_MS);
  }
}

const MEASURED = {
  'agent-start': { unit: 'ms', of: ({ milliseconds }: Start) => milliseconds },
  'agent-memory': { unit: 'MB resident', of: ({ megabytes }: Start) => megabytes },
};

function resultOf(
  figure: Figure<AgentName>,
  ours: readonly Start[],
  peers: readonly Start[],
): Result {
  const { unit, of } = MEASURED[figure.name];
  const pairs = ours
    .map((start, index) => [of(start), of(peers[index] ?? start)] as const)
    .filter(([left]) => !Number.isNaN(left));
  const ratios = pairs.map(([left, right]) => left / right);
  const ratio = median(ratios);
  return {
    name: figure.name,
    label: figure.label,
    unit,
    ours: median(pairs.map(([left]) => left)),
    peer: median(pairs.map(([, right]) => right)),
    ratio,
    target: targetText(figure.target),
    isReached: holds(figure.target, ratio),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
