import { setImmediate as loopTurn } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { PushTurns } from '../../../../src/api/request/push-turns.ts';

it('lets other requests run between pushes that arrive in the same moment', async () => {
  const turns = new PushTurns();
  const order: string[] = [];
  const push = async (name: string): Promise<void> => {
    await turns.next();
    order.push(name);
  };
  const pushes = Promise.all(['first', 'second', 'third'].map(push));
  while (order.filter((each) => each !== 'other').length < 3) {
    await loopTurn();
    order.push('other');
  }
  await pushes;
  expect(order).toEqual(['first', 'other', 'second', 'other', 'third', 'other']);
});

it('lets a push begin after the queue was empty', async () => {
  const turns = new PushTurns();
  await turns.next();
  await expect(turns.next()).resolves.toBeUndefined();
});
