import { LRUCache } from 'lru-cache';
import type { EncodedLocator } from '../../domain/audit/audit-event.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Session } from '../../domain/identity/principal.ts';
import type { SecretData, SecretVersion } from '../../domain/secrets/secret.ts';
import type { Clock } from '../../ports/clock.ts';
import { lruOptions } from '../kernel/lru-options.ts';
import type { Eventually } from '../kernel/eventually.ts';
import { ephemeralCipher } from '../../crypto/encryption/ephemeral-cipher.ts';
import type { TracedValue, ValueFingerprints } from '../../crypto/keys/value-fingerprint.ts';

/** Pending values of rotations that canary pods read before all others. The rotation engine provides them. */
export interface CanaryValues {
  load(): Promise<void>;
  /** Reads the canary of a path again after a change of kind `canary`. */
  refresh(path: string): Promise<void>;
  /** Finds the pending value; undefined unless the session's pod belongs to the canary of the path. */
  valueFor(holder: { readonly session: Session }, path: string): Value | undefined;
}

/** The current version of one secret in the form for disclosure: its data as JSON bytes, ready to insert into an answer. */
export interface Value {
  readonly json: Buffer;
  readonly version: string;
  /** Fingerprint, keyed by path: the same value at another path has another one. It reveals nothing without the key. */
  readonly fingerprint: string;
  readonly fieldFingerprints: string | undefined;
  readonly createdAt: number | undefined;
  /** Locator that it was read from, in the form for audit entries. */
  readonly locator: EncodedLocator | undefined;
  /** The backend failed, and this is its earlier answer, within `staleIfError`. */
  readonly stale: boolean;
}

/** Time for which a read value may be used, and the generation of mount and definition that it is for. */
export interface CacheTerms {
  /** The connection of the mount, for the counts of hits and misses. */
  readonly connection: string;
  readonly generation: string;
  readonly cacheTtlMs: number;
  readonly staleIfErrorMs: number;
}

interface Entry {
  readonly encrypted: Buffer;
  readonly version: string;
  readonly fingerprint: string;
  readonly fieldFingerprints: string | undefined;
  readonly createdAt: number | undefined;
  readonly locator: EncodedLocator | undefined;
  readonly generation: string;
  readonly readAt: number;
  /** The opened value, until the end of the loop turn. */
  opened: Value | undefined;
}

interface Flight {
  readonly generation: string;
  readonly value: Promise<Value>;
}

/** Reads that memory answered, and reads that needed the backend. */
interface CacheTally {
  hits: number;
  misses: number;
}

const ENTRY_OVERHEAD = 300;
/** A caller that repeats reads of an absent secret reaches the backend at most once in this time. */
const ABSENT_MS = 1_000;
const ABSENT_COUNT = 10_000;

/** A backend reported that a secret does not exist. */
interface Absence {
  readonly generation: string;
  readonly detail: string | undefined;
  readonly reason: string | undefined;
  readonly until: number;
}

/** Current values, encrypted under a key that exists only in this process. Only one read at a time goes to the backend for a path. */
export class ValueCache {
  #cipher = ephemeralCipher();
  readonly #entries: LRUCache<string, Entry>;
  readonly #absences = new LRUCache<string, Absence>(lruOptions(ABSENT_COUNT));
  readonly #flights = new Map<string, Flight>();
  readonly #clock: Clock;
  readonly #tallies = new Map<string, CacheTally>();
  /** Entries that were opened in this loop turn. */
  #opened: Entry[] = [];
  /** Fingerprints of the values; undefined once the broker is sealed. */
  #fingerprints: ValueFingerprints | undefined;

  constructor(clock: Clock, fingerprints: ValueFingerprints, maxBytes: number) {
    this.#clock = clock;
    this.#fingerprints = fingerprints;
    this.#entries = new LRUCache<string, Entry>({
      maxSize: maxBytes,
      sizeCalculation: ({ encrypted, locator = '' }, path) =>
        encrypted.length + locator.length + path.length + ENTRY_OVERHEAD,
    });
  }

  /** Tallies by connection, since the start. */
  get tallies(): ReadonlyMap<string, Readonly<CacheTally>> {
    return this.#tallies;
  }

  /**
   * Drops every value, the key that encrypts them and the key of their fingerprints, because the broker is sealed. After that, it
   * creates no value.
   */
  seal(): void {
    this.clear();
    this.#cipher = ephemeralCipher();
    this.#fingerprints = undefined;
  }

  /** Drops every value. A read in progress returns to its callers, but its value is not kept. */
  clear(): void {
    this.#closeOpened();
    this.#entries.clear();
    this.#absences.clear();
    this.#flights.clear();
  }

  /** A fresh value from memory. */
  fresh(path: string, terms: CacheTerms): Value | undefined {
    const entry = this.#freshEntry(path, terms);
    return entry === undefined ? undefined : this.#openOnce(path, entry);
  }

  /**
   * Reports whether memory can answer a read: it has a fresh value, which stays encrypted here, or it knows that the secret does
   * not exist.
   */
  isKnown(path: string, terms: CacheTerms): boolean {
    return this.#freshEntry(path, terms) !== undefined || this.#isAbsent(path, terms);
  }

  /**
   * Returns the fresh value synchronously, otherwise the result of `read`. While the backend fails, it returns the old value within its
   * terms. Callers for the same path and generation share one read.
   */
  current(path: string, terms: CacheTerms, read: () => Promise<Value>): Eventually<Value> {
    const tally = this.#tallyOf(terms);
    const fresh = this.fresh(path, terms);
    if (fresh !== undefined) {
      tally.hits += 1;
      return fresh;
    }
    const absence = this.#absence(path, terms);
    if (absence !== undefined) {
      tally.hits += 1;
      throw absence;
    }
    tally.misses += 1;
    const under = this.#flights.get(path);
    if (under?.generation === terms.generation) return under.value;
    const flight: { value?: Promise<Value> } = {};
    const isCurrent = (): boolean => this.#flights.get(path)?.value === flight.value;
    flight.value = this.#fetch(path, terms, read, isCurrent).finally(() => {
      if (isCurrent()) this.#flights.delete(path);
    });
    this.#flights.set(path, { generation: terms.generation, value: flight.value });
    return flight.value;
  }

  #tallyOf({ connection }: CacheTerms): CacheTally {
    let tally = this.#tallies.get(connection);
    if (tally === undefined) this.#tallies.set(connection, (tally = { hits: 0, misses: 0 }));
    return tally;
  }

  async #fetch(
    path: string,
    terms: CacheTerms,
    read: () => Promise<Value>,
    isCurrent: () => boolean,
  ): Promise<Value> {
    try {
      const value = await read();
      if (isCurrent()) this.keep(path, terms, value);
      return value;
    } catch (error) {
      if (isCurrent()) this.#keepAbsence(path, terms, error);
      return this.#afterFailure(path, terms, error);
    }
  }

  #isAbsent(path: string, { generation }: CacheTerms): boolean {
    const known = this.#absences.get(path);
    return known?.generation === generation && known.until > this.#clock.monotonic();
  }

  /** The recent answer of the backend for an absent secret, as the error to throw. */
  #absence(path: string, terms: CacheTerms): BrokerError | undefined {
    if (!this.#isAbsent(path, terms)) return undefined;
    const { detail, reason } = this.#absences.get(path) ?? {};
    return new BrokerError('ERR_NOT_FOUND', detail, { ...(reason !== undefined && { reason }) });
  }

  #keepAbsence(path: string, { generation }: CacheTerms, error: unknown): void {
    if (!(error instanceof BrokerError) || error.code !== 'ERR_NOT_FOUND') return;
    const { detail, reason } = error;
    const until = this.#clock.monotonic() + ABSENT_MS;
    this.#absences.set(path, { generation, detail, reason, until });
  }

  #afterFailure(path: string, terms: CacheTerms, error: unknown): Value {
    const entry = this.#entries.get(path);
    if (!isOutage(error)) this.#entries.delete(path);
    else if (entry?.generation === terms.generation) {
      const age = this.#clock.monotonic() - entry.readAt;
      if (age <= terms.cacheTtlMs + terms.staleIfErrorMs) return this.#open(path, entry, true);
    }
    throw error;
  }

  /**
   * Renders and fingerprints a secret that a provider read at a path. If the provider has no versions, the version is a keyed digest of the
   * data.
   */
  value(path: string, read: SecretVersion, locator?: EncodedLocator): Value {
    const json = Buffer.from(JSON.stringify(read.data));
    const { fingerprint, fields, version } = this.#keyed().of(path, read.data);
    return {
      json,
      version: read.version === '' ? version : read.version,
      fingerprint,
      fieldFingerprints: fields,
      createdAt: read.createdAt,
      locator,
      stale: false,
    };
  }

  /** A value that was rendered earlier and stored elsewhere. */
  rendered(path: string, json: Buffer, version: string): Value {
    return this.value(path, { data: JSON.parse(json.toString()) as SecretData, version });
  }

  /** Finds the entries about a value, at any path. */
  trace(data: SecretData): TracedValue {
    return this.#keyed().trace(data);
  }

  /** @throws ERR_SEALED */
  #keyed(): ValueFingerprints {
    if (this.#fingerprints === undefined) throw new BrokerError('ERR_SEALED');
    return this.#fingerprints;
  }

  keep(path: string, terms: CacheTerms, value: Value): void {
    if (terms.cacheTtlMs + terms.staleIfErrorMs <= 0) return;
    this.#entries.set(path, {
      encrypted: this.#cipher.encrypt(value.json, path),
      version: value.version,
      fingerprint: value.fingerprint,
      fieldFingerprints: value.fieldFingerprints,
      createdAt: value.createdAt,
      locator: value.locator,
      generation: terms.generation,
      readAt: this.#clock.monotonic(),
      opened: undefined,
    });
  }

  /** The secret changed: the value in memory is outdated, and no caller may join a read that started before the change. */
  drop(path: string): void {
    this.#entries.delete(path);
    this.#absences.delete(path);
    this.#flights.delete(path);
  }

  #freshEntry(path: string, terms: CacheTerms): Entry | undefined {
    const entry = this.#entries.get(path);
    if (entry?.generation !== terms.generation) return undefined;
    return this.#clock.monotonic() - entry.readAt > terms.cacheTtlMs ? undefined : entry;
  }

  /**
   * Readers of one loop turn share one opened value: decrypting is an eighth of a read's processor time (measured). The turn's requests hold
   * the value longer than the cache does, because they wait for their commit.
   */
  #openOnce(path: string, entry: Entry): Value {
    if (entry.opened !== undefined) return entry.opened;
    entry.opened = this.#open(path, entry, false);
    if (this.#opened.push(entry) === 1) setImmediate(() => this.#closeOpened());
    return entry.opened;
  }

  #closeOpened(): void {
    for (const entry of this.#opened) entry.opened = undefined;
    this.#opened = [];
  }

  #open(path: string, entry: Entry, stale: boolean): Value {
    return {
      json: this.#cipher.decrypt(entry.encrypted, path),
      version: entry.version,
      fingerprint: entry.fingerprint,
      fieldFingerprints: entry.fieldFingerprints,
      createdAt: entry.createdAt,
      locator: entry.locator,
      stale,
    };
  }
}

function isOutage(error: unknown): boolean {
  return (
    error instanceof BrokerError &&
    ['ERR_PROVIDER_TIMEOUT', 'ERR_PROVIDER_UNAVAILABLE', 'ERR_PROVIDER_FAILED'].includes(error.code)
  );
}
