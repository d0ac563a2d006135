import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

/** SIGHUPs, as a script in a loop sends them. */
const STORM = 300;

let broker: PreparedBroker;
let session: string;

beforeEach(async () => {
  broker = await PreparedBroker.start({ secrets: { 'own/db': { password: 's3cret' } } });
  session = await broker.logIn();
}, 180_000);
afterEach(async () => {
  await broker.remove();
});

async function changeConfig(change: (text: string) => string): Promise<void> {
  const { installation } = broker;
  const text = await readFile(installation.file('config.yaml'), 'utf8');
  await installation.write('config.yaml', change(text));
}

async function inUse(): Promise<Record<string, unknown>> {
  const { installation, operator: token } = broker;
  return (await installation.call('GET', '/api/v1/configuration', { token })).json;
}

describe('a broker that gets SIGHUP', () => {
  it('uses the changed configuration, and serves during a storm of signals', async () => {
    const { installation } = broker;
    await changeConfig((text) => `${text}limits: { batchItems: 7 }\n`);
    for (let n = 0; n < STORM; n += 1) {
      installation.signal('SIGHUP');
      if (n % 20 === 0) expect((await broker.read(session, 'own/db')).status).toBe(200);
    }
    await until('the change is in use', async () => (await inUse())['generation'] === 2);
    expect((await broker.read(session, 'own/db')).status).toBe(200);
    // Signals that arrive during a reload share the next one, so that the log does not have an entry for each.
    const query = '/api/v1/audit/entries?action=config.reload&limit=1000';
    const { json } = await installation.call('GET', query, { token: broker.operator });
    expect((json['items'] as readonly unknown[]).length).toBeLessThan(STORM / 2);
  }, 180_000);

  it('keeps the configuration and reports it if the file is broken, and the command line shows why (F59)', async () => {
    const { installation } = broker;
    await changeConfig((text) => `${text}limit: { batchItems: 7 }\n`);
    installation.signal('SIGHUP');
    await until('the failure is reported', async () => (await inUse())['failure'] !== undefined);
    expect(await inUse()).toMatchObject({ generation: 1 });
    expect((await broker.read(session, 'own/db')).status).toBe(200);
    const { json } = await installation.call('GET', '/readyz');
    expect(json['warnings']).toContain('config_reload_failed');
    expect(await broker.metric('quaymaster_config_reload_failed')).toBe(1);
    const checked = await installation
      .verb('config', 'check', '--config', installation.file('config.yaml'))
      .catch((error: unknown) => String((error as { readonly stderr?: string }).stderr));
    const { failure } = (await inUse()) as { readonly failure: { readonly detail: string } };
    for (const line of failure.detail.split('\n').slice(1)) expect(checked).toContain(line);
  }, 180_000);

  it.each([0, 5, 50])(
    'stops cleanly when SIGTERM follows after %i ms',
    async (ms) => {
      const { installation } = broker;
      await changeConfig((text) => `${text}limits: { batchItems: 7 }\n`);
      for (let n = 0; n < 10; n += 1) installation.signal('SIGHUP');
      await new Promise((resolve) => setTimeout(resolve, ms));
      expect(await installation.stop('SIGTERM')).toBe(0);
    },
    180_000,
  );
});
