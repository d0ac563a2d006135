import type { Archiver } from '../../audit/upkeep/archiver.ts';
import type { ArchiveConfig } from '../../audit/base/config.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { ArchiveReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchivePlan, ArchiveRun, Archives } from '../../ports/archives.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Metric } from '../../ports/metrics.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Pause after a failure: the next attempt does not wait for a whole interval. */
const RETRY_MS = 600_000;

interface ArchiveRunsDeps {
  readonly config: ArchiveConfig;
  readonly archiver: Archiver;
  /** Time at which the newest truncation was signed; undefined if there is none. */
  readonly lastAt: () => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Archives the old entries of the log, on request and on schedule. */
export class ArchiveRuns implements Archives {
  readonly #deps: ArchiveRunsDeps;
  readonly #system: SystemActor;
  readonly #stop = new AbortController();
  #run: ArchiveRun | undefined;
  #work: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #failures = 0;

  constructor(deps: ArchiveRunsDeps) {
    this.#deps = deps;
    this.#system = new SystemActor({ clock: deps.clock, digest: sha256Hex }, 'archive');
  }

  get place(): string {
    return this.#deps.archiver.place;
  }

  get keepDays(): number {
    return this.#deps.config.keepDays;
  }

  /** Number of failed runs of this process. */
  get failures(): number {
    return this.#failures;
  }

  /** The last attempt failed. */
  get hasFailed(): boolean {
    return this.#run?.state === 'failed';
  }

  async open(): Promise<void> {
    const { config, clock } = this.#deps;
    if (config.intervalHours === undefined) return;
    const last = (await this.#deps.lastAt()) ?? 0;
    this.#schedule(last + config.intervalHours * HOUR_MS - clock.now());
  }

  plan(before: number): Promise<ArchivePlan> {
    return this.#deps.archiver.plan(before);
  }

  start(before: number, entry: (archive: ArchiveReference) => string): ArchiveRun {
    if (this.#run?.state === 'running') return this.#run;
    this.#run = {
      state: 'running',
      step: 'write',
      done: 0,
      total: 0,
      first: 0,
      end: 0,
      limitedBy: undefined,
      startedAt: this.#deps.clock.now(),
    };
    this.#work = this.#archive(before, entry);
    return this.#run;
  }

  run(): ArchiveRun | undefined {
    return this.#run;
  }

  /** Interrupts the run in progress, which the next start of the broker continues. */
  async stop(): Promise<void> {
    this.#stop.abort(new BrokerError('ERR_BUSY', 'the broker stops; the next run continues'));
    this.#cancel();
    await this.#work;
  }

  #schedule(ms: number): void {
    const { clock, config } = this.#deps;
    const { intervalHours } = config;
    if (intervalHours === undefined || this.#stop.signal.aborted) return;
    const pause = Math.max(ms, this.hasFailed ? RETRY_MS : 0);
    this.#cancel = clock.after(Math.min(pause, HOUR_MS), () => {
      if (pause > HOUR_MS) {
        this.#schedule(pause - HOUR_MS);
        return;
      }
      this.start(clock.now() - config.keepDays * DAY_MS, (archive) => this.#entry(archive));
      void this.#work.then(() => this.#schedule(intervalHours * HOUR_MS));
    });
  }

  #entry(archive: ArchiveReference): string {
    const count = archive.end - archive.first;
    const comment = `retention of ${this.#deps.config.keepDays} days`;
    return this.#system.entry({ action: 'audit.truncate', outcome: 'ok', archive, count, comment });
  }

  async #archive(before: number, entry: (archive: ArchiveReference) => string): Promise<void> {
    const { archiver, clock, log } = this.#deps;
    try {
      const progress = (at: Pick<ArchiveRun, 'step' | 'done' | 'total'>): void => this.#update(at);
      const plan = await archiver.run({ before, entry, progress, signal: this.#stop.signal });
      const total = plan.end - plan.first;
      this.#update({ ...plan, state: 'done', done: total, total, finishedAt: clock.now() });
      if (total > 0) log.info({ ...plan }, `archived the audit log up to entry ${plan.end}`);
    } catch (error) {
      const { code, message } = BrokerError.from(error);
      this.#update({ state: 'failed', error: `${code}: ${message}`, finishedAt: clock.now() });
      if (this.#stop.signal.aborted) return;
      this.#failures += 1;
      log.error({ err: error }, 'the audit log could not be archived; the next run continues');
    }
  }

  #update(change: Partial<ArchiveRun>): void {
    if (this.#run !== undefined) this.#run = { ...this.#run, ...change };
  }
}

/** The metrics of archive runs; undefined runs if the configuration has no archive. */
export function archiveRunMetrics(runs: () => ArchiveRuns | undefined): readonly Metric[] {
  return [
    {
      name: 'quaymaster_audit_archive_failures_total',
      help: 'Failed runs of the archive of the audit log in this process',
      value: () => runs()?.failures ?? 0,
    },
  ];
}
