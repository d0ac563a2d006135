import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { CheckpointStorage } from '../../../../src/ports/checkpoint-storage.ts';
import { checkpointObject } from '../../../../src/providers/aws/checkpoint-object.ts';
import { REGION, setCredentials } from '../../../kit/aws/aws-connection.ts';
import { until } from '../../../kit/backends/until.ts';
import { FakeBucket } from '../../../kit/fakes/fake-bucket.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

let bucket: FakeBucket;
let clock: HandClock;

beforeEach(async () => {
  setCredentials();
  bucket = await FakeBucket.start();
  clock = new HandClock();
});
afterEach(() => bucket.stop());

function open(): Promise<CheckpointStorage> {
  const { endpoint } = bucket;
  return checkpointObject({ bucket: 'checkpoints', region: REGION, endpoint }, clock);
}

it('lets one of many processes write at a time, and shows its note to all others', async () => {
  const writers = await Promise.all(Array.from({ length: 8 }, open));
  await Promise.all(writers.map((each) => each.read()));
  const others = await Promise.all(writers.map((each, index) => each.write(`note ${index}`)));
  const won = others.flatMap((other, index) => (other === undefined ? [index] : []));
  expect(won).toHaveLength(1);
  expect(bucket.object).toBe(`note ${won[0]}`);
  expect(new Set(others.filter((other) => other !== undefined))).toEqual(new Set([bucket.object]));
});

it('does not put its note over one that another process wrote while the request was on its way', async () => {
  const storage = await open();
  await storage.write('one');
  bucket.beforeWrite = () => (bucket.object = 'newer');
  expect(await storage.write('two')).toBe('newer');
  expect(bucket.object).toBe('newer');
});

it('knows its own note if the answer to its write was lost', async () => {
  const storage = await open();
  await storage.write('one');
  bucket.losesAnswer = true;
  await expect(storage.write('two')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
  expect(await storage.write('two')).toBeUndefined();
  expect(await storage.write('three')).toBeUndefined();
  expect(bucket.object).toBe('three');
});

it('creates the object again after someone removed it', async () => {
  const storage = await open();
  await storage.write('one');
  bucket.object = undefined;
  expect(await storage.write('two')).toBeUndefined();
  expect(bucket.object).toBe('two');
});

it('refuses a server that ignores If-Match', async () => {
  bucket.ignored.add('if-match');
  const refused = (await open()).write('one');
  await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  await expect(refused).rejects.toThrow('the server ignores IfMatch of a write');
});

it('refuses a server that ignores If-None-Match, once there is an object', async () => {
  bucket.ignored.add('if-none-match');
  await (await open()).write('one');
  const later = await open();
  await later.read();
  await expect(later.write('two')).rejects.toThrow('the server ignores IfNoneMatch of a write');
});

it('gives up a server that does not answer', async () => {
  const storage = await open();
  bucket.isSilent = true;
  let sent = 0;
  for (const [call, ms] of [
    [() => storage.read(), 10_000],
    [() => storage.write('one'), 3_000],
  ] as const) {
    const refused = call();
    const settled = Promise.allSettled([refused]);
    await until('the request is sent', () => Promise.resolve(bucket.unanswered > sent));
    sent = bucket.unanswered;
    clock.advance(ms);
    await settled;
    await expect(refused).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    await expect(refused).rejects.toThrow('TimeoutError');
  }
});
