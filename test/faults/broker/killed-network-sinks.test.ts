import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';
import { LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { HttpReceiver, SyslogReceiver } from '../../kit/log/sink-receivers.ts';
import { storedLog } from '../../kit/log/stored-log.ts';

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
      archive: { to: { type: 'directory', path: `${directory}/archive` } },
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
  it('have every entry with its index, although they failed too (F24)', async () => {
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

  it('get the last 1,024 syslog messages again although the log before them was archived (F24)', async () => {
    const { installation } = broker;
    const session = await broker.logIn();
    const body = { items: Array.from({ length: 100 }, () => ({ path: 'own/p0' })) };
    for (let batch = 0; batch < 25; batch += 1) {
      const call = installation.call('POST', '/api/v1/secrets:batch', { token: session, body });
      expect((await call).status).toBe(200);
    }
    await installation.write('operator.token', broker.operator);
    const operator = [
      '--url',
      installation.url,
      '--token-file',
      installation.file('operator.token'),
    ];
    const before = ['--before', new Date(Date.now() + 3_600_000).toISOString()];
    const archive = ['audit', 'archive', ...before, '--reason', 'test', ...operator];
    type Plan = { readonly total: number; readonly limitedBy?: string };
    await until('what syslog has may be archived', async () => {
      const plan = await installation.verb(...archive, '--dry-run', '--output', 'json');
      return (JSON.parse(plan) as Plan).total >= 1_280;
    });
    await installation.verb(...archive, '--yes');
    const status = await installation.verb(
      'audit',
      'archive-status',
      '--output',
      'json',
      ...operator,
    );
    const { end } = (JSON.parse(status) as { truncation: { end: number } }).truncation;
    expect(end).toBeGreaterThanOrEqual(1_280);

    await installation.stop('SIGKILL');
    const last = Math.max(...syslog.entries().keys());
    const sent = syslog.messages.length;
    await installation.start();
    await until('both have the new start', () =>
      Promise.resolve(
        [http, syslog].every((each) =>
          [...each.entries().values()].some((entry) => entry.includes('"action":"recovery"')),
        ),
      ),
    );
    const repeated = syslog.messages.slice(sent).map(({ data }) => Number(data['index']));
    expect(repeated[0]).toBeGreaterThanOrEqual(end);
    expect(repeated[0]).toBeLessThanOrEqual(last - 900);
    for (const receiver of [http, syslog]) {
      const entries = receiver.entries();
      expect(entries.size).toBe(Math.max(...entries.keys()) + 1);
    }
    expect(installation.output).not.toContain('because they are archived');
  }, 240_000);
});
