import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { OpenedStore, StoreSpace } from '../../store/index.ts';

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
  readonly #work: RepeatedWork;
  #last: StoreSpace | undefined;
  #isLow = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#work = new RepeatedWork({
      clock: deps.clock,
      run: async () => {
        this.#judge(await deps.store.space());
        return EVERY_MS;
      },
      onError: (error) => {
        deps.log.warn({ err: error }, 'the space left in the store cannot be read');
        return EVERY_MS;
      },
    });
  }

  /** Resolves after the first check. */
  async start(): Promise<void> {
    await this.#work.runNow();
  }

  /** The result of the last check; undefined before the first check that succeeded. */
  get space(): StoreSpace | undefined {
    return this.#last;
  }

  warnings(): readonly string[] {
    return this.#isLow ? ['store_space_low'] : [];
  }

  stop(): void {
    void this.#work.stop();
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
