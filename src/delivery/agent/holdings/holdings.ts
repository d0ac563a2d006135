import type { BatchItem, ItemAnswer, Problem } from '../access/broker-access.ts';
import { kindOfStatus, type FailureKind } from '../access/failure-kind.ts';
import type { BrokerTime } from '../broker-time.ts';
import type { SecretSettings } from '../../settings/settings.ts';
import type { HeldSecret } from '../../files/held-secret.ts';
import { Holding } from './holding.ts';

/** Why an item of a batch brought no value. */
export interface Refusal {
  readonly holding: Holding;
  readonly kind: FailureKind;
  readonly problem: Problem;
}

/** What a batch brought. */
export interface Taken {
  readonly changed: readonly Holding[];
  /** Held before, and there is no right to it any more. */
  readonly lost: readonly Holding[];
  readonly refusals: readonly Refusal[];
}

/** Conflicts after which an order that was never answered is given up for another. */
const PATIENCE = 3;

/** All secrets of the configuration, and what is held of them. */
export class Holdings {
  readonly all: readonly Holding[];
  readonly #byName: ReadonlyMap<string, Holding>;
  readonly #conflicts = new Map<Holding, number>();

  constructor(secrets: readonly SecretSettings[], time: BrokerTime, random: () => number) {
    this.all = secrets.map((each) => new Holding(each, time, random));
    this.#byName = new Map(this.all.map((holding) => [holding.name, holding]));
  }

  /** By name, or by path: the first of that path. */
  find(id: string): Holding | undefined {
    return this.#byName.get(id) ?? this.all.find(({ settings }) => settings.path === id);
  }

  at(path: string): readonly Holding[] {
    return this.all.filter(({ settings }) => settings.path === path);
  }

  /** What is held now, by name. */
  values(): ReadonlyMap<string, HeldSecret> {
    const held = this.all.flatMap(({ name, value }) =>
      value === undefined ? [] : [[name, value] as const],
    );
    return new Map(held);
  }

  /** Those that the agent cannot do without, and has not. */
  missing(): readonly Holding[] {
    return this.all.filter(({ settings, value }) => value === undefined && !settings.optional);
  }

  /** Secrets that are to be read again; credentials are renewed. */
  due(now: number): readonly Holding[] {
    return this.all.filter(({ isCredential, dueAt }) => !isCredential && dueAt <= now);
  }

  /** Values whose lease has ended. */
  ended(now: number): readonly Holding[] {
    return this.all.filter(({ value, endsAt }) => value !== undefined && endsAt <= now);
  }

  /** When the next of them needs something, by the broker's clock. */
  nextAt(): number {
    return Math.min(...this.all.map(({ dueAt }) => dueAt));
  }

  nextEnd(): number {
    return Math.min(...this.all.map(({ endsAt }) => endsAt));
  }

  static items(holdings: readonly Holding[]): readonly BatchItem[] {
    return holdings.map(({ item }) => item);
  }

  /** `answers` are those to `items` of the same holdings. */
  take(holdings: readonly Holding[], answers: readonly ItemAnswer[]): Taken {
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
      if (kind === 'away') holding.failed();
      else holding.refused();
    }
    return { changed, lost, refusals };
  }

  /** An order that conflicts is under way, or what it made has ended: then it needs another key. */
  #kindOf(holding: Holding, { status, code }: Problem): FailureKind {
    if (code !== 'ERR_CONFLICT' || !holding.isCredential) return kindOfStatus(status);
    const conflicts = (this.#conflicts.get(holding) ?? 0) + 1;
    const isOver = holding.leaseId !== undefined || conflicts >= PATIENCE;
    this.#conflicts.set(holding, isOver ? 0 : conflicts);
    if (isOver) holding.orderAnew();
    return 'away';
  }
}
