import type { AgentSession } from './access/broker-access.ts';
import { factsOf, failureKind } from './access/failure-kind.ts';
import type { AgentLog } from './agent-log.ts';
import type { NewValue } from './application/application.ts';
import type { BrokerTime } from './broker-time.ts';
import type { Holding } from './holdings/holding.ts';
import { Holdings, type BatchResult } from './holdings/holdings.ts';

export interface Fetched extends BatchResult {
  readonly values: readonly NewValue[];
}

export interface SecretFetcherDeps {
  readonly holdings: Holdings;
  readonly time: BrokerTime;
  readonly log: AgentLog;
}

/** Reads secrets from the broker, many in one call, and renews leases of dynamic credentials. */
export class SecretFetcher {
  readonly #deps: SecretFetcherDeps;

  constructor(deps: SecretFetcherDeps) {
    this.#deps = deps;
  }

  /** @throws as `AgentSession.read`; the refusals of single items are in the result */
  async fetch(
    session: AgentSession,
    holdings: readonly Holding[],
    signal: AbortSignal,
  ): Promise<Fetched> {
    const leases = new Map(holdings.map((holding) => [holding, holding.leaseId]));
    const answer = await session.read(Holdings.items(holdings), signal);
    if (answer.at !== undefined) this.#deps.time.learn(answer.at);
    const result = this.#deps.holdings.take(holdings, answer.items);
    for (const { holding, kind, problem } of result.refusals) {
      const { code, requestId: request } = problem;
      const facts = { name: holding.name, path: holding.settings.path, code, request };
      if (result.lost.includes(holding)) this.#deps.log.warn(facts, 'access was revoked');
      else {
        const isPosture = code === 'ERR_POSTURE_DENIED' || code === 'ERR_POSTURE_PENDING';
        const known = code === 'ERR_NOT_FOUND' ? 'it does not exist' : undefined;
        const why = (isPosture ? problem.detail : known) ?? kind;
        this.#deps.log.warn(facts, `secret not received: ${why}`);
      }
    }
    const values = result.changed.map((holding) => newValue(holding, leases.get(holding)));
    return { ...result, values };
  }

  /**
   * Renews each due lease of a dynamic credential: reading it again would not extend it.
   * @returns credentials that must be issued again, because their leases cannot be extended further. @throws as `AgentSession.renewLease`
   */
  async renewCredentials(session: AgentSession, signal: AbortSignal): Promise<readonly Holding[]> {
    const exhausted: Holding[] = [];
    for (const holding of this.#deps.holdings.all) {
      if (!holding.isCredential || holding.dueAt > this.#deps.time.now()) continue;
      const lease = holding.leaseId;
      if (lease !== undefined && (await this.#isRenewed(session, { holding, lease }, signal))) {
        continue;
      }
      if (lease !== undefined) holding.nextOrder();
      exhausted.push(holding);
    }
    return exhausted;
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
      if (kind === 'unavailable') holding.failed();
      return kind === 'unavailable';
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
