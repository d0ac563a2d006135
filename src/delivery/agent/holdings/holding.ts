import { isSameSecretData } from '../../../domain/secrets/same-secret-data.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { BatchItem, Disclosed } from '../access/broker-access.ts';
import { Backoff } from '../../../ports/backoff.ts';
import { nameOf, type SecretSettings } from '../../settings/settings.ts';
import { renewalTime, type BrokerTime } from '../broker-time.ts';
import type { DeliveredSecret } from '../../files/delivered-secret.ts';

interface HeldLease {
  /** Id of the lease; undefined if its session has ended: it keeps its end and cannot be extended. */
  readonly id: string | undefined;
  /** End of the lease by the broker's clock. */
  readonly endsAt: number;
}

/** A lease that cannot be extended is not requested more often than this. */
const SHORTEST_PAUSE_MS = 1_000;
/** Part of the lease's first duration; if a renewal leaves less, another credential is issued. */
const LEAST_PART = 1 / 3;
/** One backend can fail while the broker works: each secret has its own delays. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Pause before a denied secret is requested again. */
const DENIED_PAUSE_MS = 300_000;

/** One configured secret with its value and its lease. */
export class Holding {
  readonly settings: SecretSettings;
  readonly name: string;
  readonly #time: BrokerTime;
  readonly #random: () => number;
  #value: DeliveredSecret | undefined;
  #lease: HeldLease | undefined;
  #dueAt = Infinity;
  readonly #backoff: Backoff;
  /** The duration of the lease when it was new. */
  #lifeMs = 0;
  /** Counts the credentials that were issued: every retry of one request has the same idempotency key. */
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

  get value(): DeliveredSecret | undefined {
    return this.#value;
  }

  get leaseId(): string | undefined {
    return this.#lease?.id;
  }

  /** Time at which it must be fetched or renewed, by the broker's clock. */
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

  /** Makes the next request issue another credential: the last one has expired or is about to expire. */
  nextOrder(): void {
    this.#order += 1;
  }

  /**
   * A new value has another version or other data. Data are compared too: the name of a version repeats if the path is mapped to another secret, or
   * if the backend was reset. @returns whether the value is new
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

  /** @returns whether the lease is long enough to keep the credential */
  renewed(endsAt: number): boolean {
    const id = this.leaseId;
    if (id === undefined || this.#value === undefined) return false;
    this.#keepLease(id, endsAt);
    this.#value = { ...this.#value, endsAt: this.#time.here(endsAt) };
    return endsAt - this.#time.now() >= this.#lifeMs * LEAST_PART;
  }

  /** The session was extended: a lease that ended with it can be extended now. */
  sessionExtended(before: number): void {
    if (this.#lease?.id === undefined || this.#lease.endsAt < before - 1_000) return;
    const left = Math.max(0, this.#lease.endsAt - this.#time.now());
    const dueAt = this.#time.now() + this.#random() * Math.min(10_000, left / 3);
    this.#dueAt = Math.min(dueAt, this.#dueAt);
  }

  /** The request failed: it is retried after a delay. */
  failed(): void {
    this.#dueAt = this.#time.now() + this.#backoff.next();
  }

  refused(): void {
    this.#dueAt = this.#time.now() + DENIED_PAUSE_MS * (0.5 + this.#random() / 2);
  }

  /** The lease expired while the broker was unreachable. The secret is still requested, whether its value is kept meanwhile or not. */
  leaseExpired(isKept: boolean): void {
    this.#lease = undefined;
    if (this.isCredential) this.nextOrder();
    const kept = isKept ? this.#value : undefined;
    this.#value = kept && { ...kept, leaseId: undefined, stale: true };
  }

  /** Leases and issued credentials belong to the former session. A value that was read under them keeps its end. */
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
    const dueAt = renewalTime(now, endsAt, this.#random);
    this.#dueAt = Math.max(dueAt, now + SHORTEST_PAUSE_MS);
  }
}
