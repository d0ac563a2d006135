import { expect, it } from '@jest/globals';
import { MetadataMemory } from '../../../../src/broker/state/metadata-memory.ts';

it('reads metadata once, also that there is none, until it changes', async () => {
  const memory = new MetadataMemory();
  let reads = 0;
  const of = (path: string, entries?: Readonly<Record<string, string>>) =>
    memory.of(path, () => {
      reads += 1;
      return Promise.resolve(entries);
    });
  expect([await of('a', { k: 'v' }), await of('a'), await of('b'), await of('b')]).toEqual([
    { k: 'v' },
    { k: 'v' },
    undefined,
    undefined,
  ]);
  expect(reads).toBe(2);
  memory.drop('a');
  expect([await of('a', { k: 'w' }), await of('b')]).toEqual([{ k: 'w' }, undefined]);
  expect(reads).toBe(3);
  memory.clear();
  expect(await of('a')).toBeUndefined();
});

it('does not keep a row that was read before a change', async () => {
  const memory = new MetadataMemory();
  const row = Promise.withResolvers<{ readonly k: string }>();
  const early = memory.of('a', () => row.promise);
  memory.drop('a');
  row.resolve({ k: 'old' });
  expect(await early).toEqual({ k: 'old' });
  expect(await memory.of('a', () => Promise.resolve({ k: 'new' }))).toEqual({ k: 'new' });
});

it('keeps a bounded number of bytes', async () => {
  const memory = new MetadataMemory();
  const entries = Object.fromEntries(
    Array.from({ length: 64 }, (_, at) => [`k${at}`.padEnd(128, 'k'), 'v'.repeat(512)]),
  );
  let reads = 0;
  const of = (path: string) =>
    memory.of(path, () => {
      reads += 1;
      return Promise.resolve(entries);
    });
  for (let at = 0; at < 300; at += 1) await of(`path-${at}`);
  await of('path-299');
  expect(reads).toBe(300);
  await of('path-0');
  expect(reads).toBe(301);
});
