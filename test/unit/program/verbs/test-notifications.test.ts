import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { runTestNotifications } from '../../../../src/program/verbs/test-notifications.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { HttpReceiver } from '../../../kit/log/sink-receivers.ts';

removeTreesAfterEach();

const KEY = 'a key of a receiver of notifications';
const ORIGIN = 'quaymaster.test/x';

let own: HttpReceiver;
let pager: HttpReceiver;

beforeEach(async () => {
  [own, pager] = [await HttpReceiver.start(), await HttpReceiver.start()];
});
afterEach(async () => {
  await Promise.all([own.close(), pager.close()]);
});

async function configured(isWithReceivers = true): Promise<string> {
  const root = await fileTree({ key: KEY, routing: 'routing-key' });
  const notifications = {
    own: { format: 'quaymaster', url: own.url, secretFile: join(root, 'key'), events: ['decoy'] },
    pager: {
      format: 'pagerduty',
      url: pager.url,
      routingKeyFile: join(root, 'routing'),
      events: ['decoy'],
    },
  };
  const config = {
    listener: { host: '127.0.0.1', port: 8200 },
    store: { type: 'sqlite', path: '/a/b.db' },
    kek: { type: 'local-file', path: '/b/kek' },
    audit: { origin: ORIGIN, logKeyFile: '/b/log', checkpointFile: '/b/checkpoint' },
    ...(isWithReceivers && { notifications }),
  };
  const tree = await fileTree({ 'config.yaml': dump(config) });
  return join(tree, 'config.yaml');
}

it('reaches every receiver, whatever events it wants (NT01)', async () => {
  const config = await configured();
  expect(await runTestNotifications({ config }, systemClock)).toBe(
    'own: accepted a test notification\npager: accepted a test notification',
  );
  const [signed] = own.requests;
  expect(JSON.parse(signed?.text ?? '')).toMatchObject({
    version: 1,
    origin: ORIGIN,
    events: [{ index: 0, event: 'test', severity: 'info' }],
  });
  expect(signed?.text).not.toContain(KEY);
  expect(JSON.parse(pager.requests[0]?.text ?? '')).toMatchObject({
    payload: { severity: 'info', class: 'test' },
  });
});

it('reaches only the receiver that is named, and names those there are', async () => {
  const config = await configured();
  await runTestNotifications({ config, receiver: 'pager' }, systemClock);
  expect([own.requests.length, pager.requests.length]).toEqual([0, 1]);
  await expect(runTestNotifications({ config, receiver: 'x' }, systemClock)).rejects.toThrow(
    'has no receiver "x"; receivers: own, pager',
  );
});

it('fails with the results of all if one does not accept, or if there is none', async () => {
  const config = await configured();
  await pager.close();
  await expect(runTestNotifications({ config }, systemClock)).rejects.toThrow(
    /own: accepted a test notification\npager: the receiver could not be reached/,
  );
  await expect(
    runTestNotifications({ config: await configured(false) }, systemClock),
  ).rejects.toThrow('has no receiver in "notifications"');
});
