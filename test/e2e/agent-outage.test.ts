import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { Rotated } from '../kit/rotation/rotated.ts';

const PASSWORD = 'canary-outage-2b7a';

let broker: PreparedBroker;
let another: (pod: string) => Promise<AgentProcess>;

agentSuite({
  canary: PASSWORD,
  furniture: {
    documents: {
      '/mounts/short': { prefix: 'short', connection: 'embedded', leaseTtl: '12s' },
    },
    secrets: { 'short/db': { password: PASSWORD } },
  },
  begin: (running) => ({ broker, another } = running),
});

async function started(
  pod: string,
  more: Readonly<Record<string, unknown>>,
): Promise<AgentProcess> {
  const agent = await another(pod);
  await agent.configure({ secrets: [{ path: 'short/db', file: 'db.json' }], ...more });
  await agent.startReady();
  return agent;
}

async function untilAlone(agent: AgentProcess): Promise<void> {
  await until('it notices', async () => (await agent.health()).reasons.includes('no_event_stream'));
}

describe('an agent whose broker is unreachable', () => {
  it('treats secrets with an expired lease as configured (F60)', async () => {
    const keeping = await started('keeping', { whenUnreachable: 'keep' });
    const removing = await started('removing', { whenUnreachable: 'remove' });
    const failing = await started('failing', { whenUnreachable: 'fail' });
    await until('leases are renewed', async () => {
      const asked = '/api/v1/leases?path=short/db&state=live';
      const { json } = await broker.installation.call('GET', asked, { token: broker.operator });
      const held = json['items'] as readonly {
        readonly issuedAt: string;
        readonly endsAt: string;
      }[];
      return held.some(
        ({ issuedAt, endsAt }) => Date.parse(endsAt) - Date.parse(issuedAt) > 13_000,
      );
    });

    await broker.installation.stop('SIGKILL');
    for (const agent of [keeping, removing]) await untilAlone(agent);
    for (const agent of [keeping, removing]) expect(await agent.read('db.json')).toBeDefined();

    expect(await failing.ended()).toMatchObject({ code: 3 });
    expect(failing.output).toContain('leases expired while the broker was unreachable: db');
    await until('the file is gone', async () => (await removing.read('db.json')) === undefined);
    await until('it is logged', async () => (await keeping.health()).reasons.includes('stale'));
    expect(await keeping.health()).toMatchObject({ ready: true });
    expect(await keeping.password()).toBe(PASSWORD);

    await broker.installation.start();
    await until(
      'the file is back',
      async () => (await removing.read('db.json')) !== undefined,
      90_000,
    );
    await until('it is ready', async () => {
      const states = await Promise.all([keeping.health(), removing.health()]);
      return states.every(({ ready, reasons }) => ready && reasons.length === 0);
    });
  });

  it('resumes when the broker is back, and readers never saw an incomplete or missing file (F52, F60)', async () => {
    const rotated = await Rotated.make(broker, 'own/outage');
    const agent = await started('reading', { secrets: [{ path: rotated.path, file: 'db.json' }] });
    const file = `${agent.file('secrets')}/db.json`;
    const seen = new Set<string>();
    const enough = new AbortController();
    const reading = (async () => {
      while (!enough.signal.aborted) {
        for (let times = 0; times < 200; times += 1) {
          seen.add((JSON.parse(readFileSync(file, 'utf8')) as { password: string }).password);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await broker.installation.stop('SIGKILL');
    await untilAlone(agent);
    expect((await agent.health()).ready).toBe(true);
    await broker.installation.start();
    await rotated.run();
    await until('it has the new value', () => Promise.resolve(seen.size === 2), 120_000);
    enough.abort();
    await reading;
    await rotated.untilEnded();
    expect(agent.logged('logged in')).toHaveLength(1);
  });
});
