import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { until } from '../../kit/backends/until.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';

const CLIENTS = 10;

let receiver: HttpReceiver;
let broker: PreparedBroker;

/** Sinks of the broker: the receiver and a file, which both must acknowledge. */
function settings(directory: string): Record<string, unknown> {
  return {
    limits: LOAD_LIMITS,
    audit: {
      origin: 'quaymaster.test/e2e',
      logKeyFile: `${directory}/keys/log.pem`,
      checkpointFile: `${directory}/keys/checkpoint`,
      denials: { entriesPerWindow: 10_000 },
      acknowledgeWithinSeconds: 20,
      sinks: [
        { type: 'http', url: receiver.url, mustAcknowledge: true },
        { type: 'file', path: `${directory}/audit.jsonl`, mustAcknowledge: true },
      ],
    },
  };
}

beforeEach(async () => {
  receiver = await HttpReceiver.start();
  broker = await PreparedBroker.start({
    config: settings,
    secrets: { 'own/p0': { key: 'value' } },
  });
}, 240_000);
afterEach(async () => {
  await broker.remove();
  await receiver.close();
});

describe('a broker whose sinks must acknowledge, killed under load', () => {
  it('has sent no answer whose entry a sink lacks (F24)', async () => {
    const { installation } = broker;
    const session = await broker.logIn();
    const answered: string[] = [];
    const keep = ({ status, headers }: Answer): void => {
      expect(status).toBeLessThan(300);
      answered.push(headers.get('x-request-id') ?? 'none');
      if (answered.length === 300) installation.signal('SIGKILL');
    };
    const clients = Array.from({ length: CLIENTS }, async (_, n) => {
      for (let turn = 0; ; turn += 1) {
        keep(await broker.read(session, 'own/p0'));
        const body = { items: [{ path: 'own/p0' }, { path: 'own/p0' }] };
        keep(await installation.call('POST', '/api/v1/secrets:batch', { token: session, body }));
        const renewal = { token: broker.serviceAccountToken() };
        keep(
          await installation.call('POST', '/api/v1/sessions/self/renew', {
            token: session,
            body: renewal,
          }),
        );
        await broker.logIn({ pod: `pod-${n}-${turn % 3}` });
      }
    });
    await Promise.allSettled(clients);
    // The broker is gone: what the receivers have now, they had before the answers.
    const received = [...receiver.entries().values()].join('\n');
    const file = await readFile(installation.file('audit.jsonl'), 'utf8');
    expect(answered.length).toBeGreaterThanOrEqual(300);
    expect(answered.filter((id) => !received.includes(`"${id}"`))).toEqual([]);
    expect(answered.filter((id) => !file.includes(`"${id}"`))).toEqual([]);
  }, 240_000);

  it('withholds answers while the receiver refuses entries, records the requests, and answers after a reload without the setting', async () => {
    const { installation } = broker;
    const session = await broker.logIn();
    receiver.isRefusing = true;
    const withheld = await broker.read(session, 'own/p0');
    expect(withheld.status).toBe(503);
    expect(withheld.json).toMatchObject({ code: 'ERR_AUDIT_UNACKNOWLEDGED' });
    expect(JSON.stringify(withheld.json)).not.toContain('value');
    // Metrics and refusals do not wait, so that an operator sees what is wrong.
    expect(
      await broker.metric('quaymaster_audit_acknowledgements_total{result="unacknowledged"}'),
    ).toBe(1);
    expect((await broker.read('qms_unknown', 'own/p0')).status).toBe(401);
    const config = await readFile(installation.file('config.yaml'), 'utf8');
    const without = config.replaceAll('mustAcknowledge: true', 'mustAcknowledge: false');
    await installation.write('config.yaml', without);
    installation.signal('SIGHUP');
    await until('answers do not wait', async () => {
      const { status } = await broker.read(session, 'own/p0');
      return status === 200;
    });
    receiver.isRefusing = false;
    const id = String(withheld.headers.get('x-request-id'));
    await until('the withheld read is recorded and sent', () =>
      Promise.resolve([...receiver.entries().values()].some((entry) => entry.includes(`"${id}"`))),
    );
  }, 240_000);
});
