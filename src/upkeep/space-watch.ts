import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { OpenedStore, StoreSpace } from '../store/index.ts';

const EVERY_MS = 30_000;
const WARN_PERCENT = 80;
/** The warning ends below this value. Between the two values it keeps its state. */
const CLEAR_PERCENT = 75;

interface Deps {
  readonly store: Pick<OpenedStore, 'space'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Monitors the free space of the store. Every access writes an audit entry, so a broker with a full store serves nothing. */
export class SpaceWatch {
  readonly #deps: Deps;
  #last: StoreSpace | undefined;
  #isLow = false;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    await this.#check();
  }

  /** The result of the last check; undefined before the first check that succeeded. */
  get space(): StoreSpace | undefined {
    return this.#last;
  }

  warnings(): readonly string[] {
    return this.#isLow ? ['store_space_low'] : [];
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #check(): Promise<void> {
    const { store, clock, log } = this.#deps;
    try {
      this.#judge(await store.space());
    } catch (error) {
      log.warn({ err: error }, 'the space left in the store cannot be read');
    }
    if (!this.#isStopped) this.#cancel = clock.after(EVERY_MS, () => void this.#check());
  }

  #judge(space: StoreSpace): void {
    this.#last = space;
    const { usedBytes, limitBytes } = space;
    if (limitBytes === undefined) return;
    const percent = (usedBytes / limitBytes) * 100;
    const wasLow = this.#isLow;
    this.#isLow = percent >= (wasLow ? CLEAR_PERCENT : WARN_PERCENT);
    if (this.#isLow === wasLow) return;
    const fields = { usedBytes, limitBytes, percent: Math.floor(percent) };
    if (this.#isLow) {
      this.#deps.log.warn(
        fields,
        'the store is running out of space: when it is full nothing is served; see "A full disk" in docs/operations.md',
      );
    } else this.#deps.log.info(fields, 'the store has space again');
  }
}
