import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pathToFileURL } from 'node:url';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { startTaskThread } from '../../../../src/broker/kernel/serve-tasks.ts';
import { taskQueue, TaskThread, type TaskCall } from '../../../../src/broker/kernel/task-thread.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const SERVE = new URL('../../../../src/broker/kernel/serve-tasks.ts', import.meta.url).href;
/** A thread that performs what a task names. */
const MODULE = `
import { serveTasks } from '${SERVE}';
const kept = [];
serveTasks('test', (task) => {
  if (task.name === 'fail') throw new Error('the task failed');
  if (task.name === 'hang') for (;;);
  if (task.name === 'fill') for (;;) kept.push(new Array(100_000).fill(task.name + kept.length));
  if (task.name === 'work') for (const end = Date.now() + 5; Date.now() < end; );
  return task.name;
});`;

interface Task {
  readonly name: string;
}

let directory: string;
let clock: HandClock;
let thread: TaskThread<Task, string>;
/** Shares the queue with `thread`. */
let other: TaskThread<Task, string>;
let starts = 0;
const spent = new Map<string, number>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-thread-'));
  const file = join(directory, 'thread.mjs');
  await writeFile(file, MODULE);
  clock = new HandClock();
  starts = 0;
  spent.clear();
  const start = (): Promise<Worker> => {
    starts += 1;
    return Promise.resolve(startTaskThread(pathToFileURL(file).href, 'test'));
  };
  const queue = taskQueue();
  thread = new TaskThread(clock, queue, start);
  other = new TaskThread(clock, queue, start);
});
afterEach(async () => {
  await thread.close();
  await other.close();
  await rm(directory, { recursive: true });
});

function call(tenant: string, signal = new AbortController().signal): TaskCall {
  const spend = (ms: number): void => void spent.set(tenant, (spent.get(tenant) ?? 0) + ms);
  return { tenant, signal, spend };
}

async function run(tenant: string, name: string, signal?: AbortSignal): Promise<string> {
  return thread.run(call(tenant, signal), { name }).catch((error: unknown) => {
    const { code, reason } = BrokerError.from(error);
    return `${code} ${reason ?? ''}`.trim();
  });
}

describe('tasks on hostile input', () => {
  it('run in one thread, which charges their processor time', async () => {
    expect(await run('a', 'work')).toBe('work');
    expect(await run('a', 'fail')).toBe('ERR_INTERNAL');
    expect(starts).toBe(1);
    expect(spent.get('a')).toBeGreaterThan(0);
  });

  it('take turns by tenant, so that a tenant with many waits behind one with few', async () => {
    const order: string[] = [];
    const tasks = ['a', 'a', 'a', 'a', 'b'].map((tenant) =>
      run(tenant, 'work').then(() => order.push(tenant)),
    );
    await Promise.all(tasks);
    expect(order.indexOf('b')).toBeLessThan(3);
  });

  it('wait for a task of another thread of their queue', async () => {
    const hanging = run('a', 'hang');
    const waiting = other.run(call('b'), { name: 'work' });
    await turn();
    expect([starts, other.waiting]).toEqual([1, 1]);
    clock.advance(20_000);
    expect(await hanging).toBe('ERR_BUSY task_queue');
    expect(await waiting).toBe('work');
    expect(starts).toBe(2);
  });

  it('are refused beyond the queue, those of the tenant with the most first', async () => {
    const many = Array.from({ length: 80 }, () => run('many', 'work'));
    const few = run('few', 'work');
    expect(await few).toBe('work');
    const results = await Promise.all(many);
    expect(results.filter((each) => each === 'ERR_BUSY task_queue')).toHaveLength(16);
    // The event loop has read their bodies.
    expect(spent.get('many')).toBeGreaterThanOrEqual(1_600);
  });

  it('are refused before their body is read while the queue is full, but for a tenant with few', async () => {
    const many = Array.from({ length: 66 }, () => run('many', 'work'));
    spent.clear();
    expect(() => thread.requireRoom(call('many'))).toThrow(
      'the broker checks many reports and statements; retry',
    );
    expect(spent.get('many')).toBe(10);
    expect(() => thread.requireRoom(call('few'))).not.toThrow();
    await Promise.all(many);
    expect(() => thread.requireRoom(call('many'))).not.toThrow();
  });

  it('end the thread if they need too much memory, and the next task runs (D16)', async () => {
    expect(await run('a', 'fill')).toBe('ERR_BODY_TOO_LARGE');
    expect(spent.get('a')).toBe(1_000);
    expect(await run('b', 'work')).toBe('work');
    expect(starts).toBe(2);
  });

  it('end the thread at their deadline, and the next task runs', async () => {
    const hanging = run('a', 'hang');
    const next = run('b', 'work');
    while (starts === 0 || thread.waiting === 0) await Promise.resolve();
    // The deadline begins when the thread has started.
    const timer = setInterval(() => clock.advance(20_000), 1);
    expect(await hanging).toBe('ERR_BUSY task_queue');
    clearInterval(timer);
    expect(await next).toBe('work');
    expect(starts).toBe(2);
  });

  it('give up waiting when their request ends', async () => {
    const first = run('a', 'work');
    const controller = new AbortController();
    const waiting = run('b', 'work', controller.signal);
    controller.abort(new Error('deadline'));
    expect(await waiting).toBe('ERR_BUSY task_queue');
    expect(await first).toBe('work');
  });
});
