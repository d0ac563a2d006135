import type { Clock } from '../../../ports/clock.ts';
import type { Report } from '../access/broker-access.ts';
import type { AcknowledgeSettings, ChangeAction } from '../../settings/actions.ts';
import type { AgentLog } from '../agent-log.ts';
import { callHttp } from './call-http.ts';
import { runCommand } from './run-command.ts';

/** A value that the application is to take. */
export interface NewValue {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** Credentials to order are not acknowledged: the one before is given back. */
  readonly isCredential: boolean;
  readonly replacedLease: string | undefined;
}

/** What became of it. */
export interface Outcome {
  readonly reports: readonly Report[];
  /** Leases of credentials that nobody uses any more. */
  readonly release: readonly string[];
}

export interface ApplicationDeps {
  readonly onChange: readonly ChangeAction[];
  readonly acknowledge: AcknowledgeSettings;
  /** What `exec` does with its child. @returns why it failed, in a word. */
  readonly child?: (() => Promise<string | undefined>) | undefined;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** Telling begins. @returns to be called when the application took all that there is */
  readonly telling: () => () => void;
  readonly settled: (outcome: Outcome) => void;
}

const PROOF_PAUSE_MS = 1_000;
/** One try of a proof may take as long as this. */
const PROOF_TRY_MS = 10_000;
/** What runs when the agent ends has so long: with the end of the session less than the 30 seconds that a pod has by default. */
const END_WITHIN_MS = 20_000;
/** Why something was not done, or not to its end. */
const ENDED = 'agent_ended';

/** Tells the application that values have changed, and finds out whether it took them. One change after the other; what comes meanwhile is one more. */
export class Application {
  readonly #deps: ApplicationDeps;
  readonly #waiting = new Map<string, NewValue>();
  /** Leases of credentials that were replaced before the application took the one in between. */
  readonly #replaced = new Set<string>();
  readonly #ending = new AbortController();
  /** Time is up for what still runs after that. */
  readonly #over = new AbortController();
  #isTold = false;
  #isChildBehind = false;
  #work: Promise<void> | undefined;

  constructor(deps: ApplicationDeps) {
    this.#deps = deps;
  }

  /** `values`: none where something was only taken away. */
  tell(values: readonly NewValue[]): void {
    for (const value of values) {
      this.#waiting.set(value.name, value);
      if (value.replacedLease !== undefined) this.#replaced.add(value.replacedLease);
    }
    this.#isChildBehind = true;
    this.tellOthers();
  }

  /** All but the child of `exec`, which has not begun, and begins with what was delivered. */
  tellOthers(): void {
    this.#isTold = true;
    this.#work ??= this.#run();
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** Begins nothing more, and lets what runs come to its end, in its own time and in ours. */
  async end(): Promise<void> {
    this.#ending.abort();
    const cancel = this.#deps.clock.after(END_WITHIN_MS, () => this.#over.abort());
    await this.#work;
    cancel();
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  async #run(): Promise<void> {
    while (this.#isTold && !this.#isEnding) {
      this.#isTold = false;
      const values = [...this.#waiting.values()];
      const replaced = [...this.#replaced];
      this.#waiting.clear();
      this.#replaced.clear();
      const taken = this.#deps.telling();
      const failure = await this.#take();
      if (failure === undefined) taken();
      this.#deps.settled({
        reports: values
          .filter(({ isCredential }) => !isCredential)
          .map((value) => reportOf(value, failure)),
        release: failure === undefined ? replaced : [],
      });
    }
    // In the turn of the last look: a moment later, somebody could tell something and find it still at work.
    this.#work = undefined;
  }

  /** Every action, in order; what fails keeps none of the others from being tried. @returns the first reason. */
  async #take(): Promise<string | undefined> {
    const { onChange, log } = this.#deps;
    const reasons: (string | undefined)[] = [];
    const child = this.#isChildBehind ? this.#deps.child : undefined;
    this.#isChildBehind = false;
    for (const action of onChange) {
      if (this.#isEnding) return ENDED;
      const reason = await this.#perform(action);
      if (reason === undefined) log.info({ by: action.kind }, 'told the application');
      else log.warn({ by: action.kind, reason }, 'the application could not be told');
      reasons.push(reason);
    }
    reasons.push(await child?.());
    const failure = reasons.find((reason) => reason !== undefined);
    return failure ?? (await this.#proof());
  }

  async #perform(action: ChangeAction): Promise<string | undefined> {
    const { clock } = this.#deps;
    const { signal } = this.#over;
    if (action.kind === 'command') return runCommand(action, clock, signal);
    if (action.kind === 'http') return callHttp(action, clock, signal);
    const { sendSignal } = await import('./send-signal.ts');
    return sendSignal(action);
  }

  /** Asks until the application has it, or the time for that is up. */
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
    const { signal } = this.#over;
    if (http !== undefined) return callHttp({ ...http, timeoutMs }, clock, signal);
    return runCommand({ command: command ?? [], timeoutMs }, clock, signal);
  }
}

function reportOf({ path, version }: NewValue, failure: string | undefined): Report {
  return failure === undefined
    ? { path, version, outcome: 'ok' }
    : { path, version, outcome: 'failed', reason: failure };
}
