import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from '@jest/globals';

const CHILD = fileURLToPath(new URL('../../kit/broker/logging-child.ts', import.meta.url));
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
/** Number of lines: about three times as many as may wait for the reader. */
const LINES = 15_000;

let child: ChildProcess;
afterEach(() => {
  child.kill('SIGKILL');
});

/** A process that has logged so many lines to a pipe, of which the test has read nothing yet. */
async function logged(count: number): Promise<void> {
  const options = { execPath: NODE, execArgv: [], silent: true };
  child = fork(CHILD, [String(count)], options);
  expect(await once(child, 'message')).toMatchObject([{ logged: count }, undefined]);
}

interface Line {
  readonly level: string;
  readonly line?: number;
  readonly dropped?: number;
}

async function linesUntilEnd(): Promise<readonly Line[]> {
  const all = await text(child.stdout!);
  return all
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

it('continues while its reader hangs, and says how many lines it dropped when the reader continues', async () => {
  await logged(LINES);
  const reading = linesUntilEnd();
  child.send('continue');
  const lines = await reading;
  const reports = lines.filter(({ level }) => level === 'warn');
  const kept = lines.flatMap(({ line = [] }) => line);
  const dropped = reports.reduce((sum, report) => sum + (report.dropped ?? 0), 0);
  expect(dropped).toBeGreaterThan(LINES / 2);
  expect(kept.length + dropped).toBe(LINES + 1);
  expect(kept).toEqual(kept.toSorted((a, b) => a - b));
});

it('ends while its reader hangs', async () => {
  await logged(LINES);
  child.send('exit');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('drops nothing for a reader that reads late, as long as little waits', async () => {
  await logged(2_000);
  const reading = linesUntilEnd();
  child.send('continue');
  expect((await reading).map(({ line }) => line)).toEqual(
    Array.from({ length: 2_001 }, (_, n) => n),
  );
});
