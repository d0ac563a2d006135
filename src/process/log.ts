import { pino, type DestinationStream, type Level } from 'pino';
import { BrokerError } from '../domain/errors.ts';
import { redactCredentials } from '../domain/words/redact-credentials.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Writable } from 'node:stream';

/** Names of fields whose values may be secret; the log redacts them. */
const REDACTED = [
  'token',
  'sessionToken',
  'data',
  'value',
  'password',
  'secret',
  'authorization',
  'key',
];
const DEEPEST_CAUSE = 4;
const LONGEST_TEXT = 2_000;
/** A stack that was logged is left out for this long: a backend that hangs makes the same two stacks for each call. */
const STACK_REPEATS_MS = 3_600_000;
const MOST_STACKS = 500;

export interface LogOptions {
  readonly level: Level;
  readonly clock: Clock;
  /** Stream of the log; absent: standard output. */
  readonly destination?: DestinationStream;
}

/** A log whose level may change. */
export interface LevelledLog extends Log {
  level: string;
}

/** Creates a log: one JSON object a line, without anything that looks like a credential. */
export function createLog({ level, clock, destination }: LogOptions): LevelledLog {
  const stacks = new Stacks(clock);
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...REDACTED, ...REDACTED.map((name) => `*.${name}`)], censor: '[sensitive]' },
    serializers: { err: (error: unknown) => errorFields(error, stacks, 0) },
  };
  const log: LevelledLog = pino(
    options,
    destination ??
      new LogOutput(process.stdout, (dropped) =>
        log.warn({ dropped }, 'standard output was not read: the process dropped lines of its log'),
      ),
  );
  return log;
}

/** The stacks that were logged lately, without their messages, which differ from call to call. */
class Stacks {
  readonly #clock: Clock;
  readonly #loggedAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Reports whether this stack was not logged within the hour. */
  isNew({ stack = '', message }: Error): boolean {
    const frames = stack.replace(message, '').slice(0, LONGEST_TEXT);
    const now = this.#clock.monotonic();
    const before = this.#loggedAt.get(frames);
    if (before !== undefined && now - before < STACK_REPEATS_MS) return false;
    if (this.#loggedAt.size >= MOST_STACKS) this.#loggedAt.clear();
    this.#loggedAt.set(frames, now);
    return true;
  }
}

/** Formats an error for the log with text of our own code only: a library's error may carry a whole request with its headers. */
function errorFields(error: unknown, stacks: Stacks, depth: number): object {
  if (!(error instanceof Error)) return { type: typeof error };
  // An error that the store's database sent: its words quote rows and statements.
  if ('severity' in error) return { type: error.name, ...codeOf(error) };
  const { name, message, stack, cause } = error;
  const own =
    error instanceof BrokerError
      ? { code: error.code, reason: error.reason, ...error.peer }
      : codeOf(error);
  return {
    type: name,
    ...own,
    message: scrubbed(message),
    ...(stack !== undefined && stacks.isNew(error) && { stack: scrubbed(stack) }),
    ...(cause !== undefined &&
      depth < DEEPEST_CAUSE && { cause: errorFields(cause, stacks, depth + 1) }),
  };
}

function codeOf(error: Error): { readonly code?: string } {
  return 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
}

function scrubbed(text: string): string {
  return redactCredentials(text.slice(0, LONGEST_TEXT));
}

/** Characters of lines that wait for the reader. */
const MOST_WAITING = 1_048_576;

/**
 * Writes lines without waiting for their reader. If a container runtime no longer reads the pipe, the process must still answer requests, keep its memory
 * bounded and be able to end. Lines beyond the bound are dropped and counted.
 */
class LogOutput {
  readonly #stream: Writable;
  readonly #report: (dropped: number) => void;
  #waiting = 0;
  #dropped = 0;

  /** @param report called with the count of dropped lines when there is space again */
  constructor(stream: Writable, report: (dropped: number) => void) {
    this.#stream = stream;
    this.#report = report;
    // An error event without a listener ends the process.
    if (!stream.listeners('error').includes(ignored)) stream.on('error', ignored);
  }

  write(line: string): void {
    if (this.#waiting + line.length > MOST_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += line.length;
    this.#stream.write(line, () => {
      this.#waiting -= line.length;
      if (this.#dropped > 0 && this.#waiting <= MOST_WAITING / 2) this.#reportDropped();
    });
  }

  #reportDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#report(dropped);
  }
}

function ignored(): void {
  return undefined;
}
