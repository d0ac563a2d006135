import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AuthLog } from '../auth-log.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { waitFor } from '../wait-for.ts';
import type { JwksSource } from './jwks-source.ts';
import { readJwks } from './read-jwks.ts';
import type { TrustedKey } from './trusted-key.ts';

const FETCH_MS = 5_000;
/** The shortest pause between refreshes for unknown kids, so that made-up kids cannot flood the key server. */
const COOL_DOWN_MS = 30_000;
/** The broker refuses a key at most this long after the cluster removed it. */
const REFRESH_MS = 5 * 60_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** Time for which the broker trusts keys that it cannot refresh. */
const HARD_MAX_AGE_MS = 60 * 60_000;

export interface KeySetDependencies {
  readonly clock: Clock;
  readonly log: AuthLog;
}

/** The keys of one cluster, refreshed in the background. During an outage the last good set serves for up to an hour. */
export class KeySet {
  readonly #source: JwksSource;
  readonly #clock: Clock;
  readonly #log: AuthLog;
  readonly #closed = new AbortController();
  #keys: ReadonlyMap<string, TrustedKey> | undefined;
  #loadedAt = 0;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #loading: Promise<void> | undefined;
  #cancelTimer: () => void = () => undefined;

  constructor(source: JwksSource, { clock, log }: KeySetDependencies) {
    this.#source = source;
    this.#clock = clock;
    this.#log = log;
    void this.#refresh();
  }

  /** Finds a key; undefined if the cluster does not publish it. @throws ERR_IDENTITY_UNAVAILABLE if no set is trusted. */
  async find(kid: string, context: Pick<CallContext, 'signal'>): Promise<TrustedKey | undefined> {
    const known = this.#believed()?.get(kid);
    if (known !== undefined) return known;
    const isDue = this.#clock.monotonic() - this.#attemptedAt >= COOL_DOWN_MS;
    const loading = this.#loading ?? (isDue ? this.#refresh() : undefined);
    if (loading !== undefined) await waitFor(loading, context.signal);
    const keys = this.#believed();
    if (keys === undefined) throw identityUnavailable('keys_unavailable');
    return keys.get(kid);
  }

  close(): void {
    this.#closed.abort();
    this.#cancelTimer();
    this.#source.close();
  }

  #believed(): ReadonlyMap<string, TrustedKey> | undefined {
    const age = this.#clock.monotonic() - this.#loadedAt;
    return age < HARD_MAX_AGE_MS ? this.#keys : undefined;
  }

  /** One at a time; never rejects. */
  #refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      this.#schedule();
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    this.#cancelTimer();
    this.#attemptedAt = this.#clock.monotonic();
    try {
      const document = await withDeadline(this.#clock, FETCH_MS, (signal) =>
        this.#source.fetch(AbortSignal.any([signal, this.#closed.signal])),
      );
      this.#keys = await readJwks(document, this.#log);
      this.#loadedAt = this.#attemptedAt;
      this.#failures = 0;
    } catch (err) {
      this.#failures += 1;
      if (!this.#closed.signal.aborted) this.#log.warn({ err }, 'the key set cannot be loaded');
    }
  }

  #schedule(): void {
    if (this.#closed.signal.aborted) return;
    const retry = doubledDelay(FIRST_RETRY_MS, LAST_RETRY_MS, this.#failures - 1);
    const delay = this.#failures === 0 ? REFRESH_MS : retry;
    this.#cancelTimer = this.#clock.after(delay, () => void this.#refresh());
  }
}
