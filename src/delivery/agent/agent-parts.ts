import type { Clock } from '../../ports/clock.ts';
import type { BrokerAccess } from './access/broker-access.ts';
import { Application } from './application/application.ts';
import { BrokerTime } from './broker-time.ts';
import type { Settings } from '../settings/settings.ts';
import { ExpectedEvents } from './expected-events.ts';
import { Handover, type Delivering } from './activation.ts';
import { Holdings } from './holdings/holdings.ts';
import type { AgentLog } from './agent-log.ts';
import { Nap } from './wakeable-timer.ts';
import { Outbox } from './pending-reports.ts';
import { Reading } from './secret-fetcher.ts';
import { SessionKeeper } from './session-keeper.ts';
import { WorkList } from './refetch-queue.ts';

export interface AgentDeps {
  readonly access: BrokerAccess;
  readonly readToken: () => Promise<string>;
  readonly deliveries: Delivering;
  /** What `exec` does with its child when values have changed. @returns why it failed, in a word */
  readonly child?: (() => Promise<string | undefined>) | undefined;
  /** Whether it stays: then it listens to what happens. */
  readonly isResident: boolean;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: AgentLog;
}

export interface AgentParts {
  readonly time: BrokerTime;
  readonly holdings: Holdings;
  readonly keeper: SessionKeeper;
  readonly reading: Reading;
  readonly work: WorkList;
  readonly outbox: Outbox;
  readonly expected: ExpectedEvents;
  readonly application: Application;
  readonly handover: Handover;
  readonly nap: Nap;
}

/** What one agent is made of: nothing of it is shared with another in the same process. */
export function agentParts(settings: Settings, deps: AgentDeps): AgentParts {
  const { clock, random, log, access, readToken, child, deliveries } = deps;
  const { onChange, acknowledge } = settings;
  const time = new BrokerTime(clock);
  const holdings = new Holdings(settings.secrets, time, random);
  const keeper = new SessionKeeper({ access, readToken, time, random, log });
  const reading = new Reading({ holdings, time, log });
  const work = new WorkList(clock, settings.debounce);
  const expected = new ExpectedEvents();
  const outbox = new Outbox({ expected, clock, random, log });
  const nap = new Nap(clock);
  const application = new Application({
    ...{ onChange, acknowledge, child, clock, log },
    telling: () => deliveries.telling(),
    settled(outcome) {
      outbox.add(outcome);
      nap.wake();
    },
  });
  const handover = new Handover({
    ...{ deliveries, application, outbox, clock, random, log },
    values: () => holdings.values(),
  });
  return { time, holdings, keeper, reading, work, outbox, expected, application, handover, nap };
}
