import { afterEach, expect, it } from '@jest/globals';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const REFUSED = 40;

let own: AttackedInstallation;
afterEach(() => own.remove());

it('a held broker says at its end how many refusals it did not record, without the stack of an error', async () => {
  own = await AttackedInstallation.make(() => ({
    listener: { port: 0 },
    audit: { refusals: { entriesPerWindow: 1 } },
  }));
  await own.init();
  await own.unreadyAtStart();
  await own.removeCheckpointFile();
  const serving = await own.serve();
  expect(serving.broker.unready()).toEqual(['ERR_HELD']);
  const headers = { authorization: 'Bearer none' };
  for (let n = 0; n < REFUSED; n += 1) await fetch(`${serving.url}/api/v1/policies`, { headers });
  own.logged.splice(0);
  await serving.stop('test');
  expect(own.logged).toEqual([
    {
      fields: { summaries: 1, refused: REFUSED - 1 },
      message: 'the store is held, so refusals were counted but not recorded',
    },
  ]);
});
