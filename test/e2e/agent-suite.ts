import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { findCanary } from '../support/canary.ts';
import { AgentProcess } from './agent-process.ts';
import { Furnished, type Furniture } from './furnished.ts';

interface Running {
  readonly broker: Furnished;
  readonly agent: AgentProcess;
}

interface AgentSuite {
  /** A value that no agent of the suite may print. */
  readonly canary: string;
  readonly furniture: Furniture;
  /** Before each test. */
  readonly begin: (running: Running) => void;
}

/** One broker for the tests of a file, and one agent for each, whose output is looked through when it is over. */
export function agentSuite({ canary, furniture, begin }: AgentSuite): void {
  let broker: Furnished;
  let agent: AgentProcess;

  beforeAll(async () => {
    broker = await Furnished.start(furniture);
  }, 60_000);

  afterAll(async () => {
    await broker.remove();
  });

  beforeEach(async () => {
    agent = await AgentProcess.make(broker);
    begin({ broker, agent });
  });

  afterEach(async () => {
    expect(findCanary(canary, { output: agent.output })).toEqual([]);
    await agent.remove();
  });
}
