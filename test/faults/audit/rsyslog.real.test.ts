import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/prepared-broker.ts';
import { Rsyslog } from '../../kit/rsyslog.ts';
import { storedLog } from '../../kit/stored-log.ts';

const READS = 30;

describeWith(['rsyslog'], 'the syslog sink and the real rsyslog', ({ rsyslog: tool }) => {
  let rsyslog: Rsyslog;
  let broker: PreparedBroker;

  beforeEach(async () => {
    rsyslog = await Rsyslog.start(tool);
    broker = await PreparedBroker.start({
      files: { 'siem-ca.pem': rsyslog.ca },
      config: (directory) => ({
        audit: {
          origin: 'quaymaster.test/e2e',
          logKeyFile: `${directory}/keys/log.pem`,
          checkpointFile: `${directory}/keys/checkpoint`,
          sinks: [
            {
              ...{ type: 'syslog', host: '127.0.0.1', port: rsyslog.port },
              caFile: `${directory}/siem-ca.pem`,
            },
          ],
        },
      }),
      secrets: { 'own/p0': { key: 'value' } },
    });
  }, 240_000);
  afterEach(async () => {
    await broker.remove();
    await rsyslog.stop();
  });

  const answered: string[] = [];

  async function readAll(session: string): Promise<void> {
    for (let n = 0; n < READS; n += 1) {
      const { status, headers } = await broker.read(session, 'own/p0');
      expect(status).toBe(200);
      answered.push(String(headers.get('x-request-id')));
    }
  }

  /** Waits until the file of rsyslog has an entry for each answer. */
  async function untilAllArrived(what: string): Promise<void> {
    await until(what, async () => {
      const texts = (await rsyslog.messages()).map(({ text }) => text).join('\n');
      return answered.every((id) => texts.includes(`"${id}"`));
    });
  }

  it('delivers every entry, unchanged and in order, and loses none when rsyslog restarts', async () => {
    const session = await broker.logIn();
    await readAll(session);
    await untilAllArrived('all entries arrived');
    const before = await rsyslog.messages();
    expect(before.map(({ data }) => Number(data['index']))).toEqual(before.map((_, at) => at));
    expect(new Set(before.map(({ app }) => app))).toEqual(new Set(['quaymaster']));

    await rsyslog.stop();
    await readAll(session);
    await rsyslog.restart();
    await readAll(session);
    await untilAllArrived('all entries arrived after the restart');
    const texts = new Map<string, string>();
    for (const { data, text } of await rsyslog.messages()) {
      const index = String(data['index']);
      // An entry may be repeated, with the same text.
      expect(texts.get(index) ?? text).toBe(text);
      texts.set(index, text);
    }
    expect([...texts.keys()].map(Number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: texts.size }, (_, index) => index),
    );
    await broker.installation.stop();
    const received = new Set(texts.values());
    const reads = storedLog(broker.installation.file('store/quaymaster.db')).filter(
      ({ action }) => action === 'secret.read',
    );
    expect(reads.filter((entry) => !received.has(JSON.stringify(entry)))).toEqual([]);
    expect(reads).toHaveLength(3 * READS);
  }, 240_000);
});
