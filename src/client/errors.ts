import type { components } from '../ports/openapi/api.ts';

type Problem = components['schemas']['Problem'];

/** Characters that a terminal interprets, and format characters, which reorder or hide text (CVE-2021-42574). */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Tokens of sessions and operators, and JWTs: a machine in the middle could send our own token back inside a text. */
const TOKEN = /qm[esow]_[0-9A-Za-z]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const MOST_TEXT = 2_000;

/** The broker names no reason of a refused login to strangers, so the message says what to check. */
const LOGIN_HINT =
  '; check the name of the cluster, and that the token is for the audience of the broker and not expired; the broker has the reason in its audit log';

/** The broker refused the request. */
export class ApiError extends Error {
  readonly operation: string;
  /** The path of the request, such as `/api/v1/mounts/payments`. */
  readonly path: string;
  readonly status: number;
  /** Code of the error, stable; docs/errors.md explains each. Later brokers may have more. */
  readonly code: components['schemas']['ErrorCode'];
  readonly title: string;
  readonly detail: string | undefined;
  readonly problems: Problem['problems'];
  /** The id of the request in the broker's log and audit log. */
  readonly requestId: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    { id: operation, path }: { readonly id: string; readonly path: string },
    problem: Problem,
    retryAfterSeconds?: number,
  ) {
    const title = plainText(problem.title);
    const requestId = plainText(problem.requestId);
    const detail = problem.detail === undefined ? undefined : plainText(problem.detail);
    const hint = problem.code === 'ERR_TOKEN_INVALID' ? LOGIN_HINT : '';
    super(
      `${operation}: ${detail ?? title}${hint} (${problem.code}, status ${problem.status}, request ${requestId})`,
    );
    this.name = 'ApiError';
    this.operation = operation;
    this.path = path;
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

/** The input cannot be sent, and nothing was sent. The message does not contain the value. */
export class InputError extends TypeError {
  constructor(message: string) {
    super(message);
    this.name = 'InputError';
  }
}

/**
 * `no_connection`: nothing was sent. `tls`: the server's certificate is not valid. `timeout`, `cut_off`: no complete response, and the change may have
 * been made. `silent`: the event stream sent no data. `not_ours`: the response is not the broker's. `too_large`: the response exceeds a limit.
 */
export type UnreachableReason =
  | 'no_connection'
  | 'tls'
  | 'timeout'
  | 'cut_off'
  | 'silent'
  | 'not_ours'
  | 'too_large';

/** No answer, or one that is not the broker's. */
export class UnreachableError extends Error {
  readonly reason: UnreachableReason;
  /** Status of an answer that is not the broker's. */
  readonly status: number | undefined;

  /** `cause` must not contain received data. */
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

/** Converts received text to text that is safe to print: bounded, on one line, without characters that a terminal interprets. */
function plainText(text: string): string {
  return text.slice(0, MOST_TEXT).replaceAll(UNSAFE, ' ').replaceAll(TOKEN, '[sensitive]');
}
