import { spawn } from 'node:child_process';

/** Options of an install step; `progress` is called every ten seconds. */
export interface CommandOptions {
  readonly label: string;
  readonly cwd: string;
  readonly progress: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
}

const HEARTBEAT_MS = 10_000;
const KEPT_CHARACTERS = 4_000;

/** Runs one install step to its end; throws with the end of its output if it fails. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { label, cwd, progress, env }: CommandOptions,
): Promise<void> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_CHARACTERS);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const startedMs = performance.now();
  const heartbeat = setInterval(() => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    progress(`${label}: ${seconds} s  ${output.trimEnd().split('\n').at(-1) ?? ''}`.trimEnd());
  }, HEARTBEAT_MS);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  try {
    const code = await promise;
    if (code !== 0) throw new Error(`${label} failed (exit ${code ?? 'by signal'}):\n${output}`);
  } finally {
    clearInterval(heartbeat);
  }
}
