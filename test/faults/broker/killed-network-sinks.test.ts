import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { CertificateAuthority } from '../../kit/certificates.ts';
import { LOAD_LIMITS } from '../../kit/load.ts';
import { PreparedBroker } from '../../kit/prepared-broker.ts';
import { HttpReceiver, SyslogReceiver } from '../../kit/sink-receivers.ts';
import { storedLog } from '../../kit/stored-log.ts';

let http: HttpReceiver;
let syslog: SyslogReceiver;
let broker: PreparedBroker;

beforeEach(async () => {
  const authority = new CertificateAuthority();
  const certificate = authority.issue({ commonName: 'siem', ipAddresses: ['127.0.0.1'] });
  http = await HttpReceiver.start(certificate);
  syslog = await SyslogReceiver.start(certificate);
  const config = (directory: string) => {
    const caFile = `${directory}/siem-ca.pem`;
    const sinks = [
      { type: 'http', url: http.url, caFile, headersFile: `${directory}/siem-headers` },
      { type: 'syslog', host: '127.0.0.1', port: syslog.port, caFile },
    ];
    const audit = {
      origin: 'quaymaster.test/e2e',
      logKeyFile: `${directory}/keys/log.pem`,
      checkpointFile: `${directory}/keys/checkpoint`,
      denials: { entriesPerWindow: 10_000 },
      sinks,
    };
    return { limits: LOAD_LIMITS, audit };
  };
  const files = { 'siem-ca.pem': authority.cert, 'siem-headers': 'Authorization: Bearer siem\n' };
  broker = await PreparedBroker.start({ config, files, secrets: { 'own/p0': { key: 'value' } } });
});
afterEach(async () => {
  await broker.remove();
  await Promise.all([http.close(), syslog.close()]);
});

describe('F24: receivers of the log, when the broker was killed under load', () => {
  it('have every entry with its index, although they failed too', async () => {
    const session = await broker.logIn();
    let answered = 0;
    const reads = Array.from({ length: 10 }, async () => {
      for (;;) {
        await broker.read(session, 'own/p0');
        answered += 1;
        if (answered === 100) http.behaviours.push(503, 'cut');
        if (answered === 200) syslog.cut();
        if (answered === 300) broker.installation.signal('SIGKILL');
      }
    });
    await Promise.allSettled(reads);
    await broker.installation.start();
    const isComplete = (entries: ReadonlyMap<number, string>): boolean =>
      [...entries.values()].some((entry) => entry.includes('"action":"recovery"')) &&
      entries.size === Math.max(...entries.keys()) + 1;
    await until('both have all entries', () =>
      Promise.resolve(isComplete(http.entries()) && isComplete(syslog.entries())),
    );
    expect(await broker.installation.stop()).toBe(0);
    const received = http.entries();
    const sent = syslog.entries();
    const common = Array.from({ length: Math.min(received.size, sent.size) }, (_, index) => index);
    expect(common.map((index) => sent.get(index))).toEqual(
      common.map((index) => received.get(index)),
    );
    const texts = new Set(common.map((index) => received.get(index)));
    const entries = storedLog(broker.installation.file('store/quaymaster.db'));
    const killed = entries.find(({ action }) => action === 'secret.read')?.['writer'];
    const ofKilled = entries.filter(({ writer }) => writer === killed);
    expect(ofKilled.filter((entry) => !texts.has(JSON.stringify(entry)))).toEqual([]);
    expect(ofKilled.length).toBeGreaterThan(300);
    expect(http.requests[0]?.headers.authorization).toBe('Bearer siem');
    expect(syslog.errors).toEqual([]);
  }, 240_000);
});
