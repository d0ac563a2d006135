import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { createDatabase, startPostgres, type Postgres } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';

describeWith(['postgres'], 'the notifications of two brokers on one database', () => {
  let postgres: Running<Postgres>;
  let database: FaultProxy;
  let people: HttpReceiver;
  let brokers: readonly PreparedBroker[] = [];
  let events = 0;

  beforeAll(async () => {
    people = await HttpReceiver.start();
    postgres = await startPostgres();
    const address = new URL((await createDatabase(postgres)).connectionString);
    database = await FaultProxy.start(Number(address.port));
    address.hostname = '127.0.0.1';
    address.port = String(database.port);
    const first = await PreparedBroker.start({
      files: { dsn: address.href, key: '0123456789abcdefghijklmnopqrstuvwxyz' },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        notifications: {
          people: { format: 'quaymaster', url: people.url, secretFile: `${directory}/key` },
        },
      }),
    });
    brokers = [first];
    const second = await first.replica();
    brokers = [first, second];
    await second.installation.start();
  });
  afterAll(async () => {
    for (const broker of brokers.toReversed()) await broker.remove();
    await database.close();
    await people.close();
    await postgres.stop();
  });
  beforeEach(() => {
    people.requests.length = 0;
    people.behaviours.length = 0;
    people.isRefusing = false;
  });

  /** Quarantines that both brokers make in turn; each is an event. */
  async function cause(count: number): Promise<readonly string[]> {
    const subjects: string[] = [];
    for (let made = 0; made < count; made += 1) {
      const broker = brokers[made % brokers.length] as PreparedBroker;
      const workload = `k8s://c1/prod/event-${(events += 1)}`;
      const body = { kind: 'workload', workload, reason: 'test' };
      // A broker that lost its database connects again within a moment.
      await until('the quarantine', async () => {
        const asked = { token: broker.operator, body };
        const answer = await broker.installation.call('POST', '/api/v1/quarantines', asked);
        return answer.status === 200;
      });
      subjects.push(workload);
    }
    return subjects;
  }

  /** Number of deliveries of each subject. */
  function deliveries(): ReadonlyMap<string, number> {
    const subjects = people.requests.flatMap(({ text }) =>
      (JSON.parse(text) as { events: { subject: string }[] }).events.map((each) => each.subject),
    );
    const counts = new Map<string, number>();
    for (const subject of subjects) counts.set(subject, (counts.get(subject) ?? 0) + 1);
    return counts;
  }

  const untilAll = (subjects: readonly string[]): Promise<void> =>
    until('every event arrived', () =>
      Promise.resolve(subjects.every((subject) => deliveries().has(subject))),
    );

  it('arrive once each, whichever broker had the event (NT01)', async () => {
    const subjects = await cause(12);
    await untilAll(subjects);
    expect(subjects.map((subject) => deliveries().get(subject))).toEqual(subjects.map(() => 1));
  });

  it('arrive after the receiver failed and the database was unreachable (NT01)', async () => {
    people.isRefusing = true;
    const subjects = await cause(4);
    await database.down();
    people.isRefusing = false;
    await database.up();
    await untilAll(subjects);
    for (const subject of subjects) expect(deliveries().get(subject)).toBeLessThanOrEqual(4);
  });

  it('arrive after one broker was killed in the middle of a delivery, and the other was sealed (NT01)', async () => {
    people.isRefusing = true;
    const subjects = await cause(6);
    people.behaviours.push('hang');
    people.isRefusing = false;
    await until('a delivery is in progress', () => Promise.resolve(people.requests.length > 0));
    const [first, second] = brokers as [PreparedBroker, PreparedBroker];
    await first.installation.stop('SIGKILL');
    const asked = { token: second.operator, body: { reason: 'test' } };
    expect((await second.installation.call('POST', '/api/v1/seal', asked)).status).toBe(200);
    await second.installation.stop('SIGKILL');
    for (const { installation } of brokers) await installation.start();
    await untilAll(subjects);
    for (const subject of subjects) expect(deliveries().get(subject)).toBeLessThanOrEqual(4);
  });
});
