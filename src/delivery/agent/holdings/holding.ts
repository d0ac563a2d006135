import { isSameSecretData } from '../../../domain/same-secret-data.ts';
import { Sensitive } from '../../../domain/sensitive.ts';
import type { BatchItem, Disclosed } from '../access/broker-access.ts';
import { Backoff } from '../../../ports/backoff.ts';
import { nameOf, type SecretSettings } from '../../settings/settings.ts';
import type { BrokerTime } from '../broker-time.ts';
import type { HeldSecret } from '../../files/held-secret.ts';
import { twoThirds } from '../renewal-time.ts';

interface HeldLease {
  /** None where it was of a session that is over: it ends as it would have, and nobody extends it. */
  readonly id: string | undefined;
  /** By the broker's clock. */
  readonly endsAt: number;
}

/** A lease on which nothing more is to be had is not asked for more often than this. */
const SHORTEST_PAUSE_MS = 1_000;
/** Renewals that bring less than this part of what the lease had at first are its last: another credential is ordered. */
const WORTH = 1 / 3;
/** Failures of one backend are not the broker's: each secret has its own pauses. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** How often it is asked whether what was denied is allowed again. */
const DENIED_PAUSE_MS = 300_000;

/** One secret of the configuration, and what is held of it. */
export class Holding {
  readonly settings: SecretSettings;
  readonly name: string;
  readonly #time: BrokerTime;
  readonly #random: () => number;
  #value: HeldSecret | undefined;
  #lease: HeldLease | undefined;
  #dueAt = Infinity;
  readonly #backoff: Backoff;
  /** How long the lease ran when it was new. */
  #lifeMs = 0;
  /** Which order of a credential this is: the same key for every repeat of one order. */
  #order = 1;

  constructor(settings: SecretSettings, time: BrokerTime, random: () => number) {
    this.settings = settings;
    this.name = nameOf(settings);
    this.#time = time;
    this.#random = random;
    this.#backoff = new Backoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, random);
  }

  get isCredential(): boolean {
    return this.settings.credential !== undefined;
  }

  get value(): HeldSecret | undefined {
    return this.#value;
  }

  get leaseId(): string | undefined {
    return this.#lease?.id;
  }

  /** When it is to be asked for again, by the broker's clock. */
  get dueAt(): number {
    return this.#dueAt;
  }

  get endsAt(): number {
    return this.#lease?.endsAt ?? Infinity;
  }

  get item(): BatchItem {
    const { path, version, credential } = this.settings;
    if (credential === undefined) return { path, ...(version !== undefined && { version }) };
    const { ttl } = credential;
    return {
      path,
      idempotencyKey: `agent/${this.name}/${this.#order}`,
      ...(ttl !== undefined && { ttl: `${ttl / 1000}s` }),
    };
  }

  /** The next order is another one: what the last one made has ended or is about to. */
  orderAnew(): void {
    this.#order += 1;
  }

  /**
   * Another value than before has another version, or other data: the name of a version comes again when the path is led to another secret, or
   * when the backend forgot the old one. @returns whether it is another value.
   */
  take({ version, data, lease, stale }: Disclosed): boolean {
    const endsAt = lease === undefined ? undefined : Date.parse(lease.endsAt);
    this.#backoff.reset();
    if (lease !== undefined && endsAt !== undefined) this.#keepLease(lease.id, endsAt);
    else this.#forgetLease();
    const before = this.#value;
    const isSame = before?.version === version && isSameSecretData(before.data.reveal(), data);
    this.#value = {
      name: this.name,
      path: this.settings.path,
      version,
      data: isSame ? before.data : new Sensitive(data),
      leaseId: lease?.id,
      endsAt: endsAt === undefined ? undefined : this.#time.here(endsAt),
      stale: stale === true,
    };
    return !isSame;
  }

  /** @returns whether the credential lasts long enough to stay with it. */
  renewed(endsAt: number): boolean {
    const id = this.leaseId;
    if (id === undefined || this.#value === undefined) return false;
    this.#keepLease(id, endsAt);
    this.#value = { ...this.#value, endsAt: this.#time.here(endsAt) };
    return endsAt - this.#time.now() >= this.#lifeMs * WORTH;
  }

  /** Its session goes on for longer: what ended with the session can be extended now. */
  sessionMoved(before: number): void {
    if (this.#lease?.id === undefined || this.#lease.endsAt < before - 1_000) return;
    const left = Math.max(0, this.#lease.endsAt - this.#time.now());
    const dueAt = this.#time.now() + this.#random() * Math.min(10_000, left / 3);
    this.#dueAt = Math.min(dueAt, this.#dueAt);
  }

  /** It could not be had: asked for again after a while, however it stands otherwise. */
  failed(): void {
    this.#dueAt = this.#time.now() + this.#backoff.next();
  }

  refused(): void {
    this.#dueAt = this.#time.now() + DENIED_PAUSE_MS * (0.5 + this.#random() / 2);
  }

  /** Its lease has ended, and nobody could be asked for another: it goes on being asked for, whether the value is kept meanwhile or not. */
  outlived(isKept: boolean): void {
    this.#lease = undefined;
    if (this.isCredential) this.orderAnew();
    const kept = isKept ? this.#value : undefined;
    this.#value = kept && { ...kept, leaseId: undefined, stale: true };
  }

  /** A new session: leases and orders of the last one are not of this one. What was held under them is held no longer for that. */
  newSession(): void {
    const endsAt = this.#lease?.endsAt;
    this.#forgetLease();
    if (endsAt !== undefined) this.#lease = { id: undefined, endsAt };
    this.#order = 1;
  }

  drop(): void {
    this.#value = undefined;
    this.#forgetLease();
  }

  #forgetLease(): void {
    this.#lease = undefined;
    this.#dueAt = Infinity;
  }

  #keepLease(id: string, endsAt: number): void {
    const now = this.#time.now();
    const before = this.#lease;
    if (before?.id !== id) this.#lifeMs = endsAt - now;
    this.#lease = { id, endsAt };
    const stands = before?.id === id && before.endsAt === endsAt;
    if (stands && now < this.#dueAt) return;
    const dueAt = twoThirds(now, endsAt, this.#random);
    this.#dueAt = Math.max(dueAt, now + SHORTEST_PAUSE_MS);
  }
}
