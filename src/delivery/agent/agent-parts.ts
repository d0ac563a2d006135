import type { Clock } from '../../ports/clock.ts';
import type { Settings } from '../settings/settings.ts';
import type { BrokerAccess } from './access/broker-access.ts';
import { Activation, type Delivering } from './activation.ts';
import type { AgentLog } from './agent-log.ts';
import { Application } from './application/application.ts';
import { BrokerContact } from './broker-contact.ts';
import { BrokerTime } from './broker-time.ts';
import { Holdings } from './holdings/holdings.ts';
import { PendingReports } from './pending-reports.ts';
import { RefetchQueue } from './refetch-queue.ts';
import { Refreshes } from './refreshes.ts';
import { SecretFetcher } from './secret-fetcher.ts';
import { SessionKeeper } from './session-keeper.ts';
import { WakeableTimer } from './wakeable-timer.ts';

export interface AgentDeps {
  readonly access: BrokerAccess;
  /** The current proof of the pod's identity: its token, or its client certificate. */
  readonly readIdentity: () => Promise<string>;
  readonly deliveries: Delivering;
  /** Notifies the child of `exec` of new values. @returns why that failed, as a code */
  readonly child?: (() => Promise<string | undefined>) | undefined;
  /** True if it keeps running, and so follows events. */
  readonly isResident: boolean;
  readonly clock: Clock;
  /** Returns a random number in [0, 1). */
  readonly random: () => number;
  readonly log: AgentLog;
}

export interface AgentParts {
  readonly time: BrokerTime;
  readonly holdings: Holdings;
  readonly keeper: SessionKeeper;
  readonly fetcher: SecretFetcher;
  readonly queue: RefetchQueue;
  readonly refreshes: Refreshes;
  readonly reports: PendingReports;
  readonly application: Application;
  readonly activation: Activation;
  readonly contact: BrokerContact;
  readonly timer: WakeableTimer;
}

/** The parts of one agent: it shares none of them with another in the same process. */
export function agentParts(settings: Settings, deps: AgentDeps): AgentParts {
  const { clock, random, log, access, readIdentity, child, deliveries } = deps;
  const { onChange, acknowledge } = settings;
  const time = new BrokerTime(clock);
  const holdings = new Holdings(settings.secrets, time, random);
  const reports = new PendingReports({ clock, random, log });
  const timer = new WakeableTimer(clock);
  const application = new Application({
    onChange,
    acknowledge,
    child,
    clock,
    log,
    beginNotification: () => deliveries.beginNotification(),
    onOutcome(outcome) {
      reports.add(outcome);
      timer.wake();
    },
  });
  return {
    time,
    holdings,
    reports,
    timer,
    application,
    keeper: new SessionKeeper({ access, readIdentity, time, random, log }),
    fetcher: new SecretFetcher({ holdings, time, log }),
    queue: new RefetchQueue(clock, settings.debounce),
    refreshes: new Refreshes(clock),
    contact: new BrokerContact({ clock, random, log }),
    activation: new Activation({
      deliveries,
      application,
      reports,
      clock,
      random,
      log,
      values: () => holdings.values(),
    }),
  };
}
