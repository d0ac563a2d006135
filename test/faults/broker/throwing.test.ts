import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { storedLog } from '../../kit/log/stored-log.ts';

let broker: PreparedBroker;
let session: string;
/** Request ids of internal failures, with the answered code. */
const failures = new Map<string, string>();

beforeAll(async () => {
  broker = await PreparedBroker.start();
  await broker.write('own/key', { key: 'mine' });
  await broker.installation.stop();
  await broker.startWithFailpoints();
  session = await broker.logIn();
});
afterAll(() => broker.remove());

function kept(answer: Answer): Answer {
  failures.set(answer.headers.get('x-request-id') ?? '', String(answer.json['code']));
  return answer;
}

/** The process is the same, and a failed request succeeds now. */
async function lives(pid: number): Promise<void> {
  expect(broker.installation.pid).toBe(pid);
  expect((await fetch(`${broker.installation.url}/healthz`)).status).toBe(200);
  expect((await broker.read(session, 'own/key')).status).toBe(200);
}

describe('F58: an internal exception', () => {
  it.each([
    [
      'a list',
      'list.leases',
      () => broker.installation.call('GET', '/api/v1/leases', { token: broker.operator }),
    ],
    [
      'a read of a version',
      'get.secret_versions',
      () =>
        broker.installation.call('GET', '/api/v1/secrets/own/key?version=1', { token: session }),
    ],
    [
      'a listing of names',
      'list.secrets',
      () => broker.installation.call('GET', '/api/v1/secrets?prefix=own', { token: session }),
    ],
  ])(
    'causes one 500 without details, and one entry, in a route: %s (F58)',
    async (_what, point, ask) => {
      const { pid } = broker.installation;
      await broker.arm(point, 'throw');
      const answer = kept(await ask());
      expect([answer.status, answer.json['code']]).toEqual([500, 'ERR_INTERNAL']);
      expect(JSON.stringify(answer.json)).not.toContain('failpoint');
      await until('it is logged', () => {
        return Promise.resolve(broker.installation.output.includes(`failpoint ${point}`));
      });
      await lives(pid);
    },
  );

  it.each(['store.before_commit', 'store.after_commit'])(
    'fails the requests of its batch and discloses nothing in a commit: %s (F58)',
    async (point) => {
      const { pid } = broker.installation;
      await broker.arm(point, 'throw');
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => broker.read(session, 'own/key')),
      );
      // The affected batch may be one of the broker's own.
      for (const { status, json } of answers.filter(({ status }) => status !== 200)) {
        expect(status).toBeGreaterThanOrEqual(500);
        expect(JSON.stringify(json)).not.toContain('mine');
      }
      await lives(pid);
    },
  );

  it.each([
    ['the expiry of leases', 'list.sessions'],
    ['the revoke queue', 'list.credentials'],
  ])(
    'causes one line of the log in a timer, and the next round continues: %s (F58)',
    async (_what, point) => {
      const { pid } = broker.installation;
      await broker.arm(point, 'throw');
      await until('it was met', () => {
        return Promise.resolve(broker.installation.output.includes(`failpoint ${point}`));
      });
      const short = await broker.logIn({ pod: 'api-1' });
      expect((await broker.read(short, 'own/key')).status).toBe(200);
      await lives(pid);
    },
  );

  it('leaves a valid log, with an entry for each failure', async () => {
    expect(await broker.verifiedLog()).toContain('verified: ');
    const entries = storedLog(broker.installation.file('store/quaymaster.db'));
    for (const [id, code] of failures) {
      const own = entries.filter(({ requestId }) => requestId === id);
      expect(own).toMatchObject([{ outcome: 'error', code }]);
    }
    expect(failures.size).toBe(3);
  });
});
