import { expect, it } from '@jest/globals';
import { Quota } from '../../../../src/broker/kernel/quota.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const full = (): BrokerError => new BrokerError('ERR_LEASE_QUOTA');

it('counts what is committed while the store is counted (DI11)', async () => {
  const counts: PromiseWithResolvers<number>[] = [];
  const count = (): Promise<number> => {
    const counting = Promise.withResolvers<number>();
    counts.push(counting);
    return counting.promise;
  };
  const quota = new Quota({ most: 2, count, uncounted: 1 });
  const settled = await quota.take('w', full);
  const second = quota.take('w', full);
  // The database counted before the first plan was committed, and its answer arrives after it.
  settled();
  counts[0]?.resolve(0);
  const done = await second;
  const third = Promise.resolve(quota.take('w', full)).catch((error: unknown) =>
    BrokerError.from(error),
  );
  done();
  counts[1]?.resolve(1);
  await new Promise(setImmediate);
  // The quota seemed to be full only because the second plan may be in the count.
  expect(counts).toHaveLength(3);
  counts[2]?.resolve(2);
  expect(await third).toMatchObject({ code: 'ERR_LEASE_QUOTA' });
});
