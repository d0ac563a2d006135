import * as z from 'zod/mini';
import { absolutePath, argv, duration, signalName } from './fields.ts';

const DEFAULT_TIMEOUT_MS = 10_000;

/** URL without credentials, which would end up in logs and process lists. */
export const HTTP_URL = /^https?:\/\/[^\s@]+$/;

const httpCall = z.strictObject({
  url: z.string().check(z.regex(HTTP_URL, 'must be an http or https URL without credentials')),
  method: z._default(z.enum(['GET', 'POST', 'PUT']), 'POST'),
});

/** An action after values have changed. */
export const actionSchema = z.pipe(
  z
    .strictObject({
      signal: z.optional(signalName),
      /** A file with the PID of the process that gets the signal. */
      pidFile: z.optional(absolutePath),
      /** The name of that process in `/proc/<pid>/comm`: needs a shared process namespace. */
      process: z.optional(z.string().check(z.minLength(1), z.maxLength(15))),
      command: z.optional(argv),
      http: z.optional(httpCall),
      timeout: z.optional(duration),
    })
    .check(
      z.refine(
        ({ signal, command, http }) => count(signal, command, http) === 1,
        'needs one of signal, command and http',
      ),
      z.refine(
        ({ signal, pidFile, process }) =>
          count(pidFile, process) === (signal === undefined ? 0 : 1),
        'signal needs one of pidFile and process; other actions must have neither',
      ),
    ),
  z.transform(({ signal, pidFile, process, command, http, timeout }): ChangeAction => {
    const timeoutMs = timeout ?? DEFAULT_TIMEOUT_MS;
    if (command !== undefined) return { kind: 'command', command, timeoutMs };
    if (http !== undefined) return { kind: 'http', ...http, timeoutMs };
    return { kind: 'signal', signal: signal ?? 'SIGHUP', pidFile, process };
  }),
);

/** Condition under which the application is considered to use a version. */
export const acknowledgeSchema = z.prefault(
  z
    .strictObject({
      after: z._default(z.enum(['written', 'command', 'http']), 'written'),
      command: z.optional(argv),
      http: z.optional(httpCall),
      /** Time for which the proof is retried. */
      timeout: z.prefault(duration, '30s'),
    })
    .check(
      z.refine(
        ({ after, command, http }) =>
          (command !== undefined) === (after === 'command') &&
          (http !== undefined) === (after === 'http'),
        'after: command needs command, after: http needs http, and neither may have the other',
      ),
    ),
  {},
);

function count(...values: readonly unknown[]): number {
  return values.filter((value) => value !== undefined).length;
}

export interface CommandAction {
  readonly kind: 'command';
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

export interface HttpAction {
  readonly kind: 'http';
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly timeoutMs: number;
}

export interface SignalAction {
  readonly kind: 'signal';
  readonly signal: NodeJS.Signals;
  readonly pidFile: string | undefined;
  readonly process: string | undefined;
}

export type ChangeAction = CommandAction | HttpAction | SignalAction;
export type AcknowledgeSettings = z.output<typeof acknowledgeSchema>;
