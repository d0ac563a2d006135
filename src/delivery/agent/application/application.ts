import type { Clock } from '../../../ports/clock.ts';
import type { Report } from '../access/broker-access.ts';
import type { AcknowledgeSettings, ChangeAction } from '../../settings/actions.ts';
import type { AgentLog } from '../agent-log.ts';
import { callHttp } from './call-http.ts';
import { runCommand } from './run-command.ts';

/** A value that the application must start to use. */
export interface NewValue {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** Dynamic credentials are not acknowledged: the lease of the former one is ended. */
  readonly isCredential: boolean;
  readonly replacedLease: string | undefined;
}

/** The result of a notification. */
export interface Outcome {
  readonly reports: readonly Report[];
  /** Leases of credentials that are not used any more. */
  readonly release: readonly string[];
}

export interface ApplicationDeps {
  readonly onChange: readonly ChangeAction[];
  readonly acknowledge: AcknowledgeSettings;
  /** Notifies the child of `exec`. @returns why that failed, as a code. */
  readonly child?: (() => Promise<string | undefined>) | undefined;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** Begins a notification. @returns a function to call when the application uses everything that is delivered */
  readonly beginNotification: () => () => void;
  readonly onOutcome: (outcome: Outcome) => void;
}

const PROOF_PAUSE_MS = 1_000;
/** The limit of one attempt of a proof. */
const PROOF_TRY_MS = 10_000;
/** A notification in progress has this time when the agent ends. With the end of the session that is less than the 30 seconds that a pod has by default. */
const END_WITHIN_MS = 20_000;
/** The agent ended before or during an action. */
const ENDED = 'agent_ended';

/** Notifies the application of changed values, and checks whether it uses them. Changes that arrive meanwhile are one more notification. */
export class Application {
  readonly #deps: ApplicationDeps;
  readonly #pending = new Map<string, NewValue>();
  /** Leases of replaced credentials, also of those that the application never used. */
  readonly #replaced = new Set<string>();
  readonly #ending = new AbortController();
  /** The time for actions in progress is over. */
  readonly #timeUp = new AbortController();
  #isNotifying = false;
  #isChildBehind = false;
  #work: Promise<void> | undefined;

  constructor(deps: ApplicationDeps) {
    this.#deps = deps;
  }

  /** `values`: empty if secrets were only removed. */
  notify(values: readonly NewValue[]): void {
    for (const value of values) {
      this.#pending.set(value.name, value);
      if (value.replacedLease !== undefined) this.#replaced.add(value.replacedLease);
    }
    this.#isChildBehind = true;
    this.notifyWithoutChild();
  }

  /** Notifies without the child of `exec`, which has not started, and will start with the delivered values. */
  notifyWithoutChild(): void {
    this.#isNotifying = true;
    this.#work ??= this.#run();
  }

  /** Resolves when no notification is pending. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** Starts no more actions, and waits for the one in progress up to a limit. */
  async end(): Promise<void> {
    this.#ending.abort();
    const cancel = this.#deps.clock.after(END_WITHIN_MS, () => this.#timeUp.abort());
    await this.#work;
    cancel();
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  async #run(): Promise<void> {
    while (this.#isNotifying && !this.#isEnding) {
      this.#isNotifying = false;
      const values = [...this.#pending.values()];
      const replaced = [...this.#replaced];
      this.#pending.clear();
      this.#replaced.clear();
      const completed = this.#deps.beginNotification();
      const failure = await this.#notifyAll();
      if (failure === undefined) completed();
      this.#deps.onOutcome({
        reports: values
          .filter(({ isCredential }) => !isCredential)
          .map((value) => reportOf(value, failure)),
        release: failure === undefined ? replaced : [],
      });
    }
    // The work ends in the same turn as the last check: otherwise a call of notify() in between would find it still running.
    this.#work = undefined;
  }

  /** Performs every action in order; a failure does not stop the others. @returns the first failure */
  async #notifyAll(): Promise<string | undefined> {
    const { onChange, log } = this.#deps;
    const reasons: (string | undefined)[] = [];
    const child = this.#isChildBehind ? this.#deps.child : undefined;
    this.#isChildBehind = false;
    for (const action of onChange) {
      if (this.#isEnding) return ENDED;
      const reason = await this.#perform(action);
      if (reason === undefined) log.info({ by: action.kind }, 'notified the application');
      else log.warn({ by: action.kind, reason }, 'the application could not be notified');
      reasons.push(reason);
    }
    reasons.push(await child?.());
    const failure = reasons.find((reason) => reason !== undefined);
    return failure ?? (await this.#proof());
  }

  async #perform(action: ChangeAction): Promise<string | undefined> {
    const { clock } = this.#deps;
    const { signal } = this.#timeUp;
    if (action.kind === 'command') return runCommand(action, clock, signal);
    if (action.kind === 'http') return callHttp(action, clock, signal);
    const { sendSignal } = await import('./send-signal.ts');
    return sendSignal(action);
  }

  /** Checks until the application uses the new values, or the time limit has passed. */
  async #proof(): Promise<string | undefined> {
    const { acknowledge, clock, log } = this.#deps;
    if (acknowledge.after === 'written') return undefined;
    const until = clock.monotonic() + acknowledge.timeout;
    for (;;) {
      if (this.#isEnding) return ENDED;
      const left = until - clock.monotonic();
      const reason = await this.#prove(Math.min(PROOF_TRY_MS, left));
      if (reason === undefined) return undefined;
      if (clock.monotonic() + PROOF_PAUSE_MS >= until) {
        log.warn({ reason }, 'the application does not use the new values');
        return reason;
      }
      await clock.sleep(PROOF_PAUSE_MS, this.#ending.signal).catch(() => undefined);
    }
  }

  async #prove(timeoutMs: number): Promise<string | undefined> {
    const { acknowledge, clock } = this.#deps;
    const { command, http } = acknowledge;
    const { signal } = this.#timeUp;
    if (http !== undefined) return callHttp({ ...http, timeoutMs }, clock, signal);
    return runCommand({ command: command ?? [], timeoutMs }, clock, signal);
  }
}

function reportOf({ path, version }: NewValue, failure: string | undefined): Report {
  return failure === undefined
    ? { path, version, outcome: 'ok' }
    : { path, version, outcome: 'failed', reason: failure };
}
