import type { AgentSession, Report, ReportAnswer } from './access/broker-access.ts';
import type { Clock } from '../../ports/clock.ts';
import { Backoff } from '../../ports/backoff.ts';
import { factsOf, failureKind, kindOfStatus } from './access/failure-kind.ts';
import type { Outcome } from './application/application.ts';
import type { ExpectedEvents } from './expected-events.ts';
import type { AgentLog } from './agent-log.ts';

export interface OutboxDeps {
  readonly expected: ExpectedEvents;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** What the broker is still to be told: versions that are in use or do not work, credentials that nobody uses any more. */
export class Outbox {
  readonly #log: AgentLog;
  readonly #expected: ExpectedEvents;
  readonly #reports = new Map<string, Report>();
  readonly #releases = new Set<string>();
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #notBefore = 0;

  constructor({ expected, log, clock, random }: OutboxDeps) {
    this.#expected = expected;
    this.#log = log;
    this.#clock = clock;
    this.#backoff = new Backoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, random);
  }

  /** Monotonic milliseconds. */
  get readyAt(): number {
    return this.#isEmpty ? Infinity : this.#notBefore;
  }

  get #isEmpty(): boolean {
    return this.#reports.size === 0 && this.#releases.size === 0;
  }

  add({ reports, release }: Outcome): void {
    for (const report of reports) this.#reports.set(report.path, report);
    for (const lease of release) this.#releases.add(lease);
  }

  /** A lease of a session that is over has ended with it. */
  newSession(): void {
    this.#releases.clear();
  }

  /** @returns whether a lease ended meanwhile that is none of ours. @throws as the session's calls; what was not told stays */
  async send(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    if (this.#clock.monotonic() < this.readyAt) return false;
    let hasEnded = this.#reports.size > 0 && (await this.#report(session, signal));
    for (const lease of this.#releases) {
      this.#releases.delete(lease);
      this.#expected.expect();
      try {
        await session.releaseLease(lease, signal);
      } catch (error) {
        hasEnded = this.#expected.withdraw() || hasEnded;
        if (failureKind(error) === 'away') {
          this.#releases.add(lease);
          throw error;
        }
      }
    }
    if (this.#isEmpty) this.#backoff.reset();
    else this.#notBefore = this.#clock.monotonic() + this.#backoff.next();
    return hasEnded;
  }

  async #report(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    const reports = [...this.#reports.values()];
    this.#expected.expect();
    try {
      const answers = await session.acknowledge(reports, signal);
      const ended = reports.map((report, index) => this.#told(report, answers[index]));
      return ended.every((count) => count === 0) && this.#expected.withdraw();
    } catch (error) {
      const wasTaken = this.#expected.withdraw();
      if (failureKind(error) !== 'refused') throw error;
      this.#reports.clear();
      this.#log.warn(factsOf(error), 'acknowledgements were refused');
      return wasTaken;
    }
  }

  /** @returns how many leases ended with it */
  #told(report: Report, answer: ReportAnswer | undefined): number {
    const problem = answer !== undefined && 'error' in answer ? answer.error : undefined;
    if (problem !== undefined && kindOfStatus(problem.status) === 'away') return 0;
    // What came meanwhile is another report, and stays.
    if (this.#reports.get(report.path) === report) this.#reports.delete(report.path);
    const { path, version, outcome, reason } = report;
    const facts = { path, version, outcome, reason, code: problem?.code };
    if (problem === undefined) this.#log.info(facts, 'acknowledged');
    else this.#log.warn(facts, 'an acknowledgement was refused');
    return answer !== undefined && 'endedLeases' in answer ? answer.endedLeases : 0;
  }
}
