import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { manifestOf } from './packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Checks that take longest; they start first. */
const LONGEST = ['check:lint', 'check:types'];

/** The scripts `check:<name>` of package.json with their commands, the longest first. */
function checks(): (readonly [string, string])[] {
  const { scripts = {} } = manifestOf(ROOT);
  const all = Object.entries(scripts).filter(([name]) => name.startsWith('check:'));
  const isLong = ([name]: readonly [string, string]): boolean => LONGEST.includes(name);
  return [...all.filter(isLong), ...all.filter((each) => !isLong(each))];
}

/** Runs one script and prints its output if it fails. npm, which runs this program, has set the path. */
async function check([name, command]: readonly [string, string]): Promise<void> {
  const begun = performance.now();
  const child = spawn(command, { cwd: ROOT, shell: true });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = Math.round((performance.now() - begun) / 1000);
  const outcome = code === 0 ? 'ok' : 'FAILED';
  process.stdout.write(`${name}: ${outcome} after ${seconds} s\n${code === 0 ? '' : output}`);
  if (code !== 0) process.exitCode = 1;
}

/** Runs the scripts side by side, one for each core: few of them use more. */
async function runAll(): Promise<void> {
  const waiting = checks();
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await check(next);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

await runAll();
