import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { LOG } from '../../../../src/ports/queries.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

let bench: LogBench;

beforeAll(async () => {
  bench = await LogBench.open(new HandClock(Date.UTC(2026, 0, 1)));
  await bench.integrator.start();
  await bench.integrate();
});
afterEach(() => void jest.restoreAllMocks());
afterAll(() => bench.remove());

async function storedNote(): Promise<{ readonly size: number; readonly note: string }> {
  const [row] = await bench.store.list(LOG.newestCheckpoints(), { limit: 1 });
  return row!;
}

async function replaceNote(size: number, note: string): Promise<void> {
  const write = { table: 'log_checkpoints', key: { size }, change: { note } } as const;
  await bench.store.commit({ writes: [write] });
}

it('is verified once while its bytes are the same, and each newer one too', async () => {
  const { reader } = bench;
  const verifies = jest.spyOn(bench.log.verifier.key, 'verifies');
  const first = await reader.checkpoint();
  expect(await reader.checkpoint()).toEqual(first);
  expect(verifies).toHaveBeenCalledTimes(1);
  await bench.record({});
  await bench.integrate();
  verifies.mockClear();
  expect((await reader.checkpoint())?.size).toBe((first?.size ?? 0) + 1);
  expect(verifies).toHaveBeenCalledTimes(1);
});

it('is refused as soon as its signature or its size in the store differs', async () => {
  const { reader } = bench;
  const { size, note } = await storedNote();
  const checkpoint = await reader.checkpoint();
  const [before = '', after = ''] = note.split('\n\n');
  await replaceNote(size, `${before}\n\n${after.replace(/.{8}\n$/, 'AAAAAAA=\n')}`);
  await expect(reader.checkpoint()).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' });
  await replaceNote(size, note);
  expect(await reader.checkpoint()).toEqual(checkpoint);
  const { at } = (await bench.store.get('log_checkpoints', { size }))!;
  await bench.store.commit({
    writes: [{ table: 'log_checkpoints', put: { size: size + 1, at, note, state: null } }],
  });
  await expect(reader.checkpoint()).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' });
});
