import { Backoff } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AgentSession, Report, ReportAnswer } from './access/broker-access.ts';
import { factsOf, failureKind, kindOfStatus } from './access/failure-kind.ts';
import type { AgentLog } from './agent-log.ts';
import type { Outcome } from './application/application.ts';

export interface PendingReportsDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Reports that the broker has not received yet: versions that are in use or failed, and credentials that are no longer used. */
export class PendingReports {
  readonly #log: AgentLog;
  readonly #reports = new Map<string, Report>();
  readonly #releases = new Set<string>();
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #ownEvents = new OwnEvents();
  #retryAt = 0;

  constructor({ log, clock, random }: PendingReportsDeps) {
    this.#log = log;
    this.#clock = clock;
    this.#backoff = new Backoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, random);
  }

  /** Monotonic milliseconds. */
  get readyAt(): number {
    return this.#isEmpty ? Infinity : this.#retryAt;
  }

  get #isEmpty(): boolean {
    return this.#reports.size === 0 && this.#releases.size === 0;
  }

  add({ reports, release }: Outcome): void {
    for (const report of reports) this.#reports.set(report.path, report);
    for (const lease of release) this.#releases.add(lease);
  }

  /** The leases of the former session ended with it. */
  newSession(): void {
    this.#releases.clear();
    this.expectNoEvents();
  }

  /** Reports whether an event about ended leases was caused by a report. Each report accounts for one event. */
  isOwnEvent(): boolean {
    return this.#ownEvents.take();
  }

  /** Events were missed: the expected ones may be among them. */
  expectNoEvents(): void {
    this.#ownEvents.clear();
  }

  /** @returns whether a lease ended meanwhile that no report ended. @throws as the session's calls; reports that were not sent stay pending */
  async send(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    if (this.#clock.monotonic() < this.readyAt) return false;
    let hasForeignEnd = this.#reports.size > 0 && (await this.#acknowledge(session, signal));
    for (const lease of this.#releases) {
      this.#releases.delete(lease);
      this.#ownEvents.expect();
      try {
        await session.releaseLease(lease, signal);
      } catch (error) {
        hasForeignEnd = this.#ownEvents.withdraw() || hasForeignEnd;
        if (failureKind(error) === 'unavailable') {
          this.#releases.add(lease);
          throw error;
        }
      }
    }
    if (this.#isEmpty) this.#backoff.reset();
    else this.#retryAt = this.#clock.monotonic() + this.#backoff.next();
    return hasForeignEnd;
  }

  async #acknowledge(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    const reports = [...this.#reports.values()];
    this.#ownEvents.expect();
    try {
      const answers = await session.acknowledge(reports, signal);
      const ended = reports.map((report, index) => this.#settle(report, answers[index]));
      return ended.every((count) => count === 0) && this.#ownEvents.withdraw();
    } catch (error) {
      const wasTaken = this.#ownEvents.withdraw();
      if (failureKind(error) !== 'refused') throw error;
      this.#reports.clear();
      this.#log.warn(factsOf(error), 'acknowledgements were refused');
      return wasTaken;
    }
  }

  /** @returns how many leases ended with the report */
  #settle(report: Report, answer: ReportAnswer | undefined): number {
    const problem = answer !== undefined && 'error' in answer ? answer.error : undefined;
    if (problem !== undefined && kindOfStatus(problem.status) === 'unavailable') return 0;
    // A report that was added meanwhile is another one, and stays pending.
    if (this.#reports.get(report.path) === report) this.#reports.delete(report.path);
    const { path, version, outcome, reason } = report;
    const facts = { path, version, outcome, reason, code: problem?.code };
    if (problem === undefined) this.#log.info(facts, 'acknowledged');
    else this.#log.warn(facts, 'an acknowledgement was refused');
    return answer !== undefined && 'endedLeases' in answer ? answer.endedLeases : 0;
  }
}

/**
 * Ends of leases that the agent causes itself, by acknowledging a version or ending the lease of a credential: the broker sends
 * the same event as for a revocation, and each would cause a fetch of everything. An event counts as our own only while one is
 * expected, so of two events at least one is acted on.
 */
class OwnEvents {
  #expected = 0;

  expect(): void {
    this.#expected += 1;
  }

  /** @returns whether the event that arrived was expected */
  take(): boolean {
    if (this.#expected === 0) return false;
    this.#expected -= 1;
    return true;
  }

  /** The expected event will not come. @returns whether another event was taken for it, which must now be acted on */
  withdraw(): boolean {
    return !this.take();
  }

  clear(): void {
    this.#expected = 0;
  }
}
