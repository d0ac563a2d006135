import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { describeWith } from '../../kit/backends/backends.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { Rsyslog } from '../../kit/log/rsyslog.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';
import { storedLog } from '../../kit/log/stored-log.ts';

const READS = 30;
const ORIGIN = 'quaymaster.test/e2e';
/** Tries to end its field, and to set the leaf hash. */
const HOSTILE_AGENT = 'agent|1=2 cs5=forged \\';
const FIELD = String.raw`((?:[^|\\]|\\.)*)`;
const CEF = new RegExp(`^CEF:0${String.raw`\|${FIELD}`.repeat(6)}\\|(.*)$`);

/** Read from the specification of CEF alone: no code is shared with the broker. @throws Error if the text is not a message */
function parseCef(text: string): Readonly<Record<string, string>> {
  const extension = CEF.exec(text)?.[7];
  if (extension === undefined) throw new Error(`not CEF: ${text}`);
  const fields = extension.split(/ (?=[A-Za-z0-9]+=)/).map((field) => {
    const at = field.indexOf('=');
    return [field.slice(0, at), field.slice(at + 1).replaceAll(/\\(.)/g, '$1')] as const;
  });
  return Object.fromEntries(fields);
}

interface OcsfRecord {
  readonly metadata: { readonly sequence: number; readonly correlation_uid?: string };
  readonly unmapped: {
    readonly record_integrity: {
      readonly index: number;
      readonly origin: string;
      readonly leaf_hash: string;
    };
  };
  readonly raw_data: string;
}

function leafHash(entry: string): string {
  return createHash('sha256').update('\0').update(entry).digest('hex');
}

describeWith(['rsyslog'], 'the syslog sink and the real rsyslog', ({ rsyslog: tool }) => {
  let rsyslog: Rsyslog;
  let ofCef: Rsyslog;
  let ofOcsf: HttpReceiver;
  let broker: PreparedBroker;

  beforeAll(async () => {
    rsyslog = await Rsyslog.start(tool);
    ofCef = await Rsyslog.start(tool);
    ofOcsf = await HttpReceiver.start();
    broker = await PreparedBroker.start({
      files: { 'siem-ca.pem': rsyslog.ca, 'cef-ca.pem': ofCef.ca },
      config: (directory) => ({
        audit: {
          origin: ORIGIN,
          logKeyFile: `${directory}/keys/log.pem`,
          checkpointFile: `${directory}/keys/checkpoint`,
          sinks: [
            {
              type: 'syslog',
              host: '127.0.0.1',
              port: rsyslog.port,
              caFile: `${directory}/siem-ca.pem`,
            },
            {
              type: 'syslog',
              host: '127.0.0.1',
              port: ofCef.port,
              format: 'cef',
              caFile: `${directory}/cef-ca.pem`,
            },
            { type: 'http', url: ofOcsf.url, format: 'ocsf' },
          ],
        },
      }),
      secrets: { 'own/p0': { key: 'value' } },
    });
  }, 240_000);
  afterAll(async () => {
    await broker.remove();
    await Promise.all([rsyslog.stop(), ofCef.stop(), ofOcsf.close()]);
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

  it('delivers CEF over TLS, and OCSF over HTTP: every line parses, and has position and leaf hash', async () => {
    const session = await broker.logIn();
    const headers = { 'user-agent': HOSTILE_AGENT };
    const call = { token: session, headers };
    const read = await broker.installation.call('GET', '/api/v1/secrets/own/p0', call);
    expect(read.status).toBe(200);
    const id = String(read.headers.get('x-request-id'));
    const lines = (): readonly string[] =>
      ofOcsf.requests.flatMap(({ text }) => text.split('\n').slice(0, -1));
    const isFormatted = async (): Promise<boolean> => {
      const texts = (await ofCef.messages()).map(({ text }) => text);
      return [texts, lines()].every((all) => all.some((line) => line.includes(id)));
    };
    await until('both receivers have the read', isFormatted);
    const messages = await ofCef.messages();
    const events = messages.map(({ text }) => parseCef(text));
    const records = lines().map((line) => JSON.parse(line) as OcsfRecord);
    const entries = new Map<number, string>();
    await until('rsyslog has the entries of both', async () => {
      for (const { data, text } of await rsyslog.messages())
        entries.set(Number(data['index']), text);
      return entries.size >= Math.max(events.length, records.length);
    });
    expect(events.map(({ externalId }) => Number(externalId))).toEqual(events.map((_, at) => at));
    expect(messages.map(({ data }) => Number(data['index']))).toEqual(events.map((_, at) => at));
    for (const { externalId, cs5, cs6 } of events)
      expect([cs5, cs6]).toEqual([leafHash(entries.get(Number(externalId)) ?? ''), ORIGIN]);
    expect(events.find(({ cs4 }) => cs4 === id)).toMatchObject({
      requestClientApplication: HOSTILE_AGENT,
      outcome: 'success',
      cs1: 'own/p0',
      suser: 'k8s://c1/prod/api',
    });

    expect(records.map(({ metadata }) => metadata.sequence)).toEqual(records.map((_, at) => at));
    for (const { metadata, unmapped, raw_data } of records) {
      const { index, origin, leaf_hash } = unmapped.record_integrity;
      expect([index, origin, leaf_hash]).toEqual([metadata.sequence, ORIGIN, leafHash(raw_data)]);
      expect(raw_data).toBe(entries.get(index));
    }
    expect(records.find(({ metadata }) => metadata.correlation_uid === id)).toMatchObject({
      class_uid: 6003,
      status_id: 1,
      metadata: { version: '1.8.0', log_name: ORIGIN },
    });
  }, 240_000);

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
    const recorded = new Set(reads.map(({ requestId }) => requestId));
    expect(answered.filter((each) => !recorded.has(each))).toEqual([]);
  }, 240_000);
});
