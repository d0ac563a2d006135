const MINUTE_MS = 60_000;
/** Minutes that are kept. */
const MINUTES = 180;
const KINDS = 3;

/** Operations by what they are for people; all others are counted only if they are refused. */
const LOGIN = 0;
const READ = 1;
const REFUSAL = 2;
const KIND_OF: Readonly<Record<string, number>> = {
  createSession: LOGIN,
  finishPersonLogin: LOGIN,
  'vault.logIn': LOGIN,
  'vault.finishPersonLogin': LOGIN,
  readSecret: READ,
  readSecrets: READ,
  issueCredential: READ,
  'vault.readData': READ,
  'vault.readValue': READ,
  'vault.readAccount': READ,
  'vault.issueCredential': READ,
};

/** Counts of the last minutes, one number for each minute, the oldest first. */
export interface ActivityCounts {
  /** Milliseconds since the beginning of the first minute. */
  readonly age: number;
  readonly logins: readonly number[];
  readonly reads: readonly number[];
  readonly refusals: readonly number[];
}

/** Counts of the answers of this process in each of the last minutes, in a ring of fixed size. It names no caller and no path. */
export class Activity {
  readonly #counts = new Float64Array(MINUTES * KINDS);
  /** The newest minute in the ring, by the monotonic clock. */
  #newest: number | undefined;
  #first = 0;

  /** Counts an answered request. `now` is of the monotonic clock. */
  add(operation: string, status: number, now: number): void {
    if (status === 401 || status === 403) this.#count(REFUSAL, now);
    else if (status < 300) {
      const kind = KIND_OF[operation];
      if (kind !== undefined) this.#count(kind, now);
    }
  }

  /** Counts until now; the last minute is not over. */
  read(now: number): ActivityCounts {
    const newest = minuteOf(now);
    this.#moveTo(newest);
    const from = Math.max(this.#first, newest - MINUTES + 1);
    const of = (kind: number): readonly number[] =>
      Array.from(
        { length: newest - from + 1 },
        (_, index) => this.#counts[slotOf(from + index) + kind] ?? 0,
      );
    return {
      age: now - from * MINUTE_MS,
      logins: of(LOGIN),
      reads: of(READ),
      refusals: of(REFUSAL),
    };
  }

  #count(kind: number, now: number): void {
    const minute = minuteOf(now);
    this.#moveTo(minute);
    const at = slotOf(minute) + kind;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Empties the minutes that passed since the newest one. */
  #moveTo(minute: number): void {
    if (this.#newest === undefined) this.#first = minute;
    const last = this.#newest ?? minute - 1;
    for (let each = Math.max(last + 1, minute - MINUTES + 1); each <= minute; each += 1)
      this.#counts.fill(0, slotOf(each), slotOf(each) + KINDS);
    if (minute > last) this.#newest = minute;
  }
}

function minuteOf(now: number): number {
  return Math.floor(now / MINUTE_MS);
}

function slotOf(minute: number): number {
  return (minute % MINUTES) * KINDS;
}
