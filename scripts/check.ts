import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';

/** The scripts `check:<name>` of package.json, the longest first. */
const CHECKS = ['lint', 'types', 'format', 'unused', 'imports', 'docs', 'language'];

/** Runs one check and prints its output if it fails. */
async function check(name: string): Promise<void> {
  const begun = performance.now();
  const child = spawn('npm', ['run', '--silent', `check:${name}`]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = Math.round((performance.now() - begun) / 1000);
  const outcome = code === 0 ? 'ok' : 'FAILED';
  process.stdout.write(`check:${name}: ${outcome} after ${seconds} s\n${code === 0 ? '' : output}`);
  if (code !== 0) process.exitCode = 1;
}

/** Runs the checks side by side, one for each core: none of them uses more. */
async function runAll(): Promise<void> {
  const waiting = [...CHECKS];
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await check(name);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

await runAll();
