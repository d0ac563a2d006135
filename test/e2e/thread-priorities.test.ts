import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

let broker: PreparedBroker;

beforeAll(async () => {
  broker = await PreparedBroker.start();
});
afterAll(() => broker.remove());

/** Field 19 of `/proc/<pid>/task/<tid>/stat` (proc(5)); the fields from the third on follow the name in parentheses. */
function niceOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

/** The priorities of the process's threads, by their names. */
function priorities(pid: number): ReadonlyMap<string, ReadonlySet<number>> {
  const found = new Map<string, Set<number>>();
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const read = (file: string): string => readFileSync(`/proc/${pid}/task/${id}/${file}`, 'utf8');
    const name = read('comm').trim();
    found.set(name, (found.get(name) ?? new Set()).add(niceOf(read('stat'))));
  }
  return found;
}

it('the event loop comes before the threads that collect garbage and read the log', async () => {
  const { installation, operator: token } = broker;
  const { status } = await installation.call('GET', '/api/v1/audit/entries?limit=1', { token });
  expect(status).toBe(200);
  const found = priorities(installation.pid);
  expect(found.get('V8Worker')).toEqual(new Set([10]));
  expect(found.get('WorkerThread')).toEqual(new Set([5]));
  expect(found.get('MainThread')).toEqual(new Set([0]));
});
