import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { endProcess, identify, isAlive } from './process-id.ts';

async function startNode(script: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('ready')`]);
  await once(child.stdout, 'data');
  return child.pid!;
}

const WAITING = 'setInterval(() => {}, 1000)';

describe('a process identity', () => {
  it('stops the process it names', async () => {
    const id = identify(await startNode(WAITING), 'SIGTERM');
    expect(isAlive(id)).toBe(true);
    await endProcess(id);
    expect(isAlive(id)).toBe(false);
  });

  it('does not stop another process that has the same number', async () => {
    const id = identify(await startNode(WAITING), 'SIGTERM');
    const stale = { ...id, startedTicks: '1' };
    expect(isAlive(stale)).toBe(false);
    await endProcess(stale);
    expect(isAlive(id)).toBe(true);
    await endProcess(id);
  });

  it('kills a process that ignores its signal', async () => {
    const pid = await startNode(`process.on('SIGTERM', () => {}); ${WAITING}`);
    const id = identify(pid, 'SIGTERM');
    await endProcess(id, 100);
    expect(isAlive(id)).toBe(false);
  });
});
