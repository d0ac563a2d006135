import { ApiError, InputError, UnreachableError } from '../client/index.ts';
import { BrokerError } from '../domain/errors.ts';
import { adviceOf, adviceOnSilence } from './advice.ts';
import { EXIT, exitCodeOfStatus, type ExitCode } from './exit-codes.ts';
import { Failed } from './failed.ts';
import { Interrupted } from './interrupted.ts';
import { printableText } from './output/printable.ts';
import { problemLine, UsageError } from './usage-error.ts';

/** A verb that did not do what it was for, as it is told. */
export interface Failure {
  readonly exitCode: ExitCode;
  /** For people; empty where there is nothing to say. */
  readonly text: string;
  /** For machines, on one line. */
  readonly json: Readonly<Record<string, unknown>>;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Interrupted) return interrupted(error);
  if (error instanceof ApiError) return answered(error);
  if (error instanceof UnreachableError) {
    const advice = adviceOnSilence(error.reason);
    const lines = [`no answer: ${error.message}`, ...(advice === undefined ? [] : [`  ${advice}`])];
    return said(EXIT.unreachable, 'unreachable', lines.join('\n'));
  }
  if (error instanceof Failed) return said(error.exitCode, 'failed', error.message);
  if (error instanceof UsageError) {
    const lines = [error.message, ...error.problems.map((each) => `  ${problemLine(each)}`)];
    return said(EXIT.usage, 'usage', lines.join('\n'), { problems: error.problems });
  }
  if (error instanceof InputError) return said(EXIT.usage, 'usage', error.message);
  if (error instanceof BrokerError) return said(EXIT.failed, error.code, error.message);
  // Of what nobody foresaw only the kind is told: its message may hold anything.
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  return said(EXIT.failed, 'internal', `this went wrong: ${code ?? name ?? 'unknown'}`);
}

function interrupted({ exitCode, progress }: Interrupted): Failure {
  if (progress === '') return { exitCode, text: '', json: {} };
  return said(exitCode, 'interrupted', `interrupted\n${progress}`);
}

function answered(error: ApiError): Failure {
  const { code, title, detail, status, requestId, problems = [] } = error;
  const places = problems.map(({ pointer, message }) => `${pointer || '/'}: ${message}`);
  return {
    exitCode: exitCodeOfStatus(status),
    text: answerText(error, places),
    json: { code, title, detail, status, requestId, problems },
  };
}

/** The broker's no, with `places` for what it found wrong. */
export function answerText(error: ApiError, places: readonly string[]): string {
  const { code, title, detail, requestId, retryAfterSeconds } = error;
  const advice = adviceOf(code);
  const lines = [
    `${code}: ${detail ?? title}`,
    ...places.map((place) => `  ${place}`),
    `  request ${requestId}`,
    ...(retryAfterSeconds === undefined ? [] : [`  again after ${retryAfterSeconds} s`]),
    ...(advice === undefined ? [] : [`  ${advice}`]),
  ];
  return printableText(lines.join('\n'));
}

function said(exitCode: ExitCode, code: string, text: string, more: object = {}): Failure {
  return { exitCode, text: printableText(text), json: { code, detail: text, ...more } };
}
