import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import type { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const PASSWORD = 'canary-quarantined-71c0';

let broker: PreparedBroker;
let agent: AgentProcess;

agentSuite({
  canary: PASSWORD,
  furniture: { secrets: { 'own/api': { key: PASSWORD } } },
  begin: (running) => ({ broker, agent } = running),
});

describe('quaymaster agent', () => {
  it('removes everything while its pod is in quarantine, and delivers it again once that is lifted', async () => {
    await agent.configure({
      secrets: [{ path: 'own/api', file: 'api.json' }],
      onChange: [{ command: ['touch', agent.file('told')] }],
      whenUnreachable: 'keep',
    });
    await agent.startReady();
    expect(await agent.read('api.json')).toContain(PASSWORD);
    const { json } = await broker.installation.call('POST', '/api/v1/quarantines', {
      token: broker.operator,
      body: { kind: 'pod', cluster: 'c1', pod: 'uid-of-api-0', reason: 'INC-7' },
    });
    await until('the file is gone', async () => (await agent.read('api.json')) === undefined);
    await until('the application is notified', () =>
      Promise.resolve(existsSync(agent.file('told'))),
    );
    expect(agent.logged('access was revoked')).toHaveLength(1);
    const { id } = json['quarantine'] as { readonly id: string };
    await broker.installation.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, {
      token: broker.operator,
    });
    await until('the file is back', async () =>
      Boolean((await agent.read('api.json'))?.includes(PASSWORD)),
    );
  });
});
