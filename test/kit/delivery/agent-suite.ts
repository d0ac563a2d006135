import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { findCanary } from '../checks/find-canary.ts';
import { AgentProcess } from './agent-process.ts';
import { PreparedBroker, type BrokerSetup } from '../broker/prepared-broker.ts';

interface Running {
  readonly broker: PreparedBroker;
  readonly agent: AgentProcess;
  /** Starts another agent, in another pod. */
  readonly another: (pod: string) => Promise<AgentProcess>;
}

interface AgentSuite {
  /** A secret value that no agent of the suite may print. */
  readonly canary?: string;
  readonly furniture: BrokerSetup | (() => Promise<BrokerSetup>);
  /** Runs before each test. */
  readonly begin: (running: Running) => void;
}

/** One broker for the tests of a file, and agents for each test, whose output is searched for secret values at its end. */
export function agentSuite({ canary, furniture, begin }: AgentSuite): void {
  let broker: PreparedBroker;
  let agents: AgentProcess[];

  const another = async (pod?: string): Promise<AgentProcess> => {
    const agent = await AgentProcess.make(broker, pod);
    agents.push(agent);
    return agent;
  };

  beforeAll(async () => {
    broker = await PreparedBroker.start(
      typeof furniture === 'function' ? await furniture() : furniture,
    );
  });

  afterAll(async () => {
    await broker.remove();
  });

  beforeEach(async () => {
    agents = [];
    begin({ broker, agent: await another(), another });
  });

  afterEach(async () => {
    const outputs = Object.fromEntries(agents.map(({ output }, index) => [index, output]));
    await Promise.all(agents.map((agent) => agent.remove()));
    if (canary !== undefined) expect(findCanary(canary, outputs)).toEqual([]);
  });
}
