import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { openBroker, type RunningBroker } from '../../../src/program/broker/broker.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

let own: AttackedInstallation;
let lines: object[];

beforeEach(async () => {
  lines = [];
  own = await AttackedInstallation.make();
  await own.init();
  await own.unreadyAtStart();
});
afterEach(() => own.remove());

function openWithOrigin(origin: string): Promise<RunningBroker> {
  const keep = (fields: object, message: string): number => lines.push({ ...fields, message });
  const log = { info: keep, warn: keep, error: keep };
  const { config } = own;
  const other = { ...config, audit: { ...config.audit, origin } };
  return openBroker(other, { clock: systemClock, log });
}

it('names both origins if the configuration has another one, and heals with the first', async () => {
  const broker = await openWithOrigin('quaymaster.test/typo');
  expect(broker.unready()).toEqual(['ERR_HELD']);
  expect(broker.held()).toEqual([{ reason: 'origin_differs' }]);
  expect(lines).toContainEqual(
    expect.objectContaining({
      reason: 'origin_differs',
      configured: 'quaymaster.test/typo',
      stored: 'quaymaster.test/attacked',
      message: expect.stringContaining('set audit.origin back') as unknown,
    }),
  );
  await broker.close('test');
  expect(await own.unreadyAtStart()).toEqual([]);
});
