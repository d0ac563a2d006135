import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { RecordingProxy } from '../kit/network/recording-proxy.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { Rotated } from '../kit/rotation/rotated.ts';

const PASSWORD = 'canary-sealed-5e09';
const SEALED_ONLY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'sealed-only' },
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
    rules: [
      {
        name: 'in-clear',
        effect: 'deny',
        paths: ['own/cards'],
        capabilities: ['read'],
        conditions: { sealedDelivery: false },
      },
    ],
  },
};

let broker: PreparedBroker;
let proxy: RecordingProxy;
let agent: AgentProcess;

agentSuite({
  canary: PASSWORD,
  furniture: {
    documents: { '/policies/sealed-only': SEALED_ONLY },
    secrets: { 'own/cards': { password: PASSWORD }, 'own/open': { password: PASSWORD } },
  },
  begin: (running) => ({ broker, agent } = running),
});

beforeEach(async () => {
  proxy = await RecordingProxy.start(Number(new URL(broker.installation.url).port));
});

afterEach(() => proxy.close());

async function configure(path: string, sealed: boolean): Promise<void> {
  await agent.configure({
    broker: { url: proxy.address, sealed },
    secrets: [{ path, file: 'db.json' }],
  });
}

describe('an agent with broker.sealed', () => {
  it('gets secrets that a policy gives only sealed, and no proxy on the way can read them (O25)', async () => {
    await configure('own/cards', true);
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(await agent.password()).toBe(PASSWORD);
    expect(proxy.seen.toString('latin1')).toContain('application/jose');
    expect(findCanary(PASSWORD, { traffic: proxy.seen })).toEqual([]);
  });

  it('is the only one that gets them: without broker.sealed the agent is denied', async () => {
    await configure('own/cards', false);
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 4 });
    expect(agent.output).toMatch(/own\/cards: .*\(ERR_DENIED, request req_\w+\)/);
    expect(await agent.password()).toBeUndefined();
    expect(findCanary(PASSWORD, { traffic: proxy.seen })).toEqual([]);
  });

  it('hides the values: without broker.sealed a proxy on the way can read them', async () => {
    await configure('own/open', false);
    agent.start(['--once']);
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(findCanary(PASSWORD, { traffic: proxy.seen })).toEqual(['traffic']);
  });

  it('follows a rotation sealed, and acknowledges it', async () => {
    const rotated = await Rotated.make(broker, 'own/sealed');
    await configure(rotated.path, true);
    await agent.startReady();
    const first = await agent.password();
    expect(first).toBe('the-first-one');
    await rotated.run();
    await until('the new password is there', async () => (await agent.password()) !== first);
    await rotated.untilEnded();
    // The broker ends the rotation before the agent has its answer.
    await until('the agent has the answer', () =>
      Promise.resolve(agent.logged('acknowledged').length > 0),
    );
    expect(agent.logged('acknowledged')).toMatchObject([{ path: rotated.path, outcome: 'ok' }]);
    const second = (await agent.password())!;
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
    for (const value of [first!, second]) {
      expect(findCanary(value, { traffic: proxy.seen, output: agent.output })).toEqual([]);
    }
  });
});
