import type { BatchItem, ItemAnswer, Problem } from '../access/broker-access.ts';
import { kindOfStatus, type FailureKind } from '../access/failure-kind.ts';
import type { BrokerTime } from '../broker-time.ts';
import type { SecretSettings } from '../../settings/settings.ts';
import type { DeliveredSecret } from '../../files/delivered-secret.ts';
import { Holding } from './holding.ts';

/** Reason why an item of a batch has no value. */
export interface Refusal {
  readonly holding: Holding;
  readonly kind: FailureKind;
  readonly problem: Problem;
}

/** The outcome of a batch. */
export interface BatchResult {
  readonly changed: readonly Holding[];
  /** Secrets that the agent had, and that are denied now. */
  readonly lost: readonly Holding[];
  readonly refusals: readonly Refusal[];
}

/** Number of conflicts after which an unanswered request for a credential is replaced by another. */
const MOST_CONFLICTS = 3;

/** All configured secrets with their values and leases. */
export class Holdings {
  readonly all: readonly Holding[];
  readonly #byName: ReadonlyMap<string, Holding>;
  readonly #conflicts = new Map<Holding, number>();

  constructor(secrets: readonly SecretSettings[], time: BrokerTime, random: () => number) {
    this.all = secrets.map((each) => new Holding(each, time, random));
    this.#byName = new Map(this.all.map((holding) => [holding.name, holding]));
  }

  /** Finds a holding by name, or the first with that path. */
  find(id: string): Holding | undefined {
    return this.#byName.get(id) ?? this.all.find(({ settings }) => settings.path === id);
  }

  at(path: string): readonly Holding[] {
    return this.all.filter(({ settings }) => settings.path === path);
  }

  /** Values that the agent has, by name. */
  values(): ReadonlyMap<string, DeliveredSecret> {
    const held = this.all.flatMap(({ name, value }) =>
      value === undefined ? [] : [[name, value] as const],
    );
    return new Map(held);
  }

  /** Lists required secrets without a value. */
  missing(): readonly Holding[] {
    return this.all.filter(({ settings, value }) => value === undefined && !settings.optional);
  }

  /** Lists stored secrets that must be read again. Credentials are renewed instead. */
  due(now: number): readonly Holding[] {
    return this.all.filter(({ isCredential, dueAt }) => !isCredential && dueAt <= now);
  }

  /** Lists values whose lease has expired. */
  expired(now: number): readonly Holding[] {
    return this.all.filter(({ value, endsAt }) => value !== undefined && endsAt <= now);
  }

  /** Time at which the next one is due, by the broker's clock. */
  nextAt(): number {
    return Math.min(...this.all.map(({ dueAt }) => dueAt));
  }

  nextExpiry(): number {
    return Math.min(...this.all.map(({ endsAt }) => endsAt));
  }

  static items(holdings: readonly Holding[]): readonly BatchItem[] {
    return holdings.map(({ item }) => item);
  }

  /** `answers` in the order of `holdings`. */
  take(holdings: readonly Holding[], answers: readonly ItemAnswer[]): BatchResult {
    const changed: Holding[] = [];
    const lost: Holding[] = [];
    const refusals: Refusal[] = [];
    for (const [index, holding] of holdings.entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      if (!('error' in answer)) {
        this.#conflicts.delete(holding);
        if (holding.take(answer)) changed.push(holding);
        continue;
      }
      const kind = this.#kindOf(holding, answer.error);
      refusals.push({ holding, kind, problem: answer.error });
      if (kind === 'denied' && holding.value !== undefined) lost.push(holding);
      if (kind === 'denied') holding.drop();
      if (kind === 'unavailable') holding.failed();
      else holding.refused();
    }
    return { changed, lost, refusals };
  }

  /** A request that conflicts is either in progress, or its credential has expired: then it needs another key. */
  #kindOf(holding: Holding, { status, code }: Problem): FailureKind {
    if (code !== 'ERR_CONFLICT' || !holding.isCredential) return kindOfStatus(status);
    const conflicts = (this.#conflicts.get(holding) ?? 0) + 1;
    const isExpired = holding.leaseId !== undefined || conflicts >= MOST_CONFLICTS;
    this.#conflicts.set(holding, isExpired ? 0 : conflicts);
    if (isExpired) holding.nextOrder();
    return 'unavailable';
  }
}
