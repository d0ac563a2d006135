import type { AgentSession } from './access/broker-access.ts';
import { factsOf, failureKind } from './access/failure-kind.ts';
import type { NewValue } from './application/application.ts';
import type { BrokerTime } from './broker-time.ts';
import type { Holding } from './holdings/holding.ts';
import { Holdings, type Taken } from './holdings/holdings.ts';
import type { AgentLog } from './agent-log.ts';

export interface Read extends Taken {
  readonly values: readonly NewValue[];
}

export interface ReadingDeps {
  readonly holdings: Holdings;
  readonly time: BrokerTime;
  readonly log: AgentLog;
}

/** Asks the broker: for many at once, in one call. */
export class Reading {
  readonly #deps: ReadingDeps;

  constructor(deps: ReadingDeps) {
    this.#deps = deps;
  }

  /** @throws as `AgentSession.read`; what an item brought instead of a value is in the answer */
  async read(
    session: AgentSession,
    holdings: readonly Holding[],
    signal: AbortSignal,
  ): Promise<Read> {
    const leases = new Map(holdings.map((holding) => [holding, holding.leaseId]));
    const answer = await session.read(Holdings.items(holdings), signal);
    if (answer.at !== undefined) this.#deps.time.learn(answer.at);
    const taken = this.#deps.holdings.take(holdings, answer.items);
    for (const { holding, kind, problem } of taken.refusals) {
      const { code, requestId: request } = problem;
      const facts = { name: holding.name, path: holding.settings.path, code, request };
      if (taken.lost.includes(holding)) this.#deps.log.warn(facts, 'access was taken away');
      else this.#deps.log.warn(facts, `a secret was not given: ${kind}`);
    }
    const values = taken.changed.map((holding) => newValue(holding, leases.get(holding)));
    return { ...taken, values };
  }

  /**
   * Credentials to order whose time has come are renewed each by itself, since reading them again extends nothing.
   * @returns those that are to be ordered anew, because renewing brings no more. @throws as `AgentSession.renewLease`
   */
  async renew(session: AgentSession, signal: AbortSignal): Promise<readonly Holding[]> {
    const over: Holding[] = [];
    for (const holding of this.#deps.holdings.all) {
      if (!holding.isCredential || holding.dueAt > this.#deps.time.now()) continue;
      const lease = holding.leaseId;
      if (lease !== undefined && (await this.#isRenewed(session, { holding, lease }, signal))) {
        continue;
      }
      if (lease !== undefined) holding.orderAnew();
      over.push(holding);
    }
    return over;
  }

  async #isRenewed(
    session: AgentSession,
    { holding, lease }: { readonly holding: Holding; readonly lease: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      return holding.renewed(await session.renewLease(lease, signal));
    } catch (error) {
      const kind = failureKind(error);
      if (kind === 'unauthenticated') throw error;
      this.#deps.log.info({ name: holding.name, ...factsOf(error) }, 'a lease was not renewed');
      if (kind === 'away') holding.failed();
      return kind === 'away';
    }
  }
}

function newValue({ name, settings, value, isCredential }: Holding, lease?: string): NewValue {
  return {
    name,
    path: settings.path,
    version: value?.version ?? '',
    isCredential,
    replacedLease: isCredential ? lease : undefined,
  };
}
