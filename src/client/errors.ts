import type { components } from './generated/api.ts';

type Problem = components['schemas']['Problem'];

/** Format characters too: some reorder the text around them (CVE-2021-42574) or cannot be seen. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Tokens of sessions and operators, and JWTs: whoever sits between could send ours back to us inside a text. */
const TOKEN = /qm[so]_[0-9A-Za-z]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const MOST_TEXT = 2_000;

/** The broker answered, and the answer is no. */
export class ApiError extends Error {
  readonly operation: string;
  readonly status: number;
  /** Stable; docs/errors.md explains each. Brokers to come may have more. */
  readonly code: components['schemas']['ErrorCode'];
  readonly title: string;
  readonly detail: string | undefined;
  readonly problems: Problem['problems'];
  /** Under which the broker logged and recorded the request. */
  readonly requestId: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(operation: string, problem: Problem, retryAfterSeconds?: number) {
    const title = plainText(problem.title);
    const requestId = plainText(problem.requestId);
    const detail = problem.detail === undefined ? undefined : plainText(problem.detail);
    super(
      `${operation}: ${detail ?? title} (${problem.code}, status ${problem.status}, request ${requestId})`,
    );
    this.name = 'ApiError';
    this.operation = operation;
    this.status = problem.status;
    this.code = problem.code;
    this.title = title;
    this.detail = detail;
    this.problems = problem.problems?.map((each) => ({
      ...each,
      pointer: plainText(each.pointer),
      message: plainText(each.message),
    }));
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** It was called with what cannot be sent; nothing was. The value is not in it. */
export class InputError extends TypeError {
  constructor(message: string) {
    super(message);
    this.name = 'InputError';
  }
}

/**
 * `no_connection`: nothing was sent. `tls`: the other end did not prove who it is. `timeout`, `cut_off`: no whole answer; what was asked may
 * have been done. `silent`: an event stream that shows no life. `not_ours`: somebody else answered, `too_large`: with more than we hold.
 */
export type UnreachableReason =
  'no_connection' | 'tls' | 'timeout' | 'cut_off' | 'silent' | 'not_ours' | 'too_large';

/** No answer, or none of the broker. */
export class UnreachableError extends Error {
  readonly reason: UnreachableReason;
  /** Of the answer that is not ours, if there is one. */
  readonly status: number | undefined;

  /** `cause` must hold nothing that was received. */
  constructor(
    reason: UnreachableReason,
    message: string,
    more: { readonly cause?: unknown; readonly status?: number } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'UnreachableError';
    this.reason = reason;
    this.status = more.status;
  }
}

/** What came from outside as it may be printed: bounded, on one line, without anything a terminal obeys. */
function plainText(text: string): string {
  return text.slice(0, MOST_TEXT).replaceAll(OBEYED, ' ').replaceAll(TOKEN, '[sensitive]');
}
