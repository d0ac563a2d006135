import type { IncomingMessage } from 'node:http';
import { readBody } from '../net/https/read-body.ts';
import { UnusableAnswer } from '../net/https/unusable-answer.ts';
import type { Authorization } from './credential.ts';
import { ApiError, UnreachableError } from './errors.ts';
import type { components } from '../ports/openapi/api.ts';
import { OPERATIONS } from '../ports/openapi/operations.ts';
import type { PreparedRequest } from './prepared-request.ts';
import { transportError } from './transport.ts';

const MOST_BYTES = 32 * 1024 * 1024;
const MOST_PROBLEM_BYTES = 256 * 1024;
const CODE = /^ERR_[A-Z_]{1,60}$/;
const MEDIA: Readonly<Record<string, string>> = {
  json: 'application/json',
  sealable: 'application/json',
  sealed: 'application/jose',
  text: 'text/plain',
  bytes: 'application/octet-stream',
  events: 'text/event-stream',
};
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** An answer at run time; `Answer` gives it its type. */
export interface AnyAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly body: unknown;
}

/**
 * Reads the complete response to a request.
 * @throws ApiError if the broker refuses; UnreachableError for a response that is cut off, too large, or not the broker's. The errors contain nothing of
 * the body, except the fields of a problem.
 */
export async function readAnswer(
  request: PreparedRequest,
  response: IncomingMessage,
  { open }: Authorization,
): Promise<AnyAnswer> {
  const status = response.statusCode ?? 0;
  const form = formOf(request.id, status, open !== undefined);
  // The contract describes some 503 answers (readiness). With another media type a 503 is a problem, or not the broker's answer.
  if (form === undefined || (form !== 'none' && mediaOf(response) !== MEDIA[form])) {
    throw await readFailure(request, response);
  }
  const headers = headersOf(response);
  const body = await readBodyAs(form, response, open);
  return { status, headers, requestId: headers['x-request-id'] ?? '', body };
}

/**
 * Gives the form of an answer; undefined if the contract describes no such answer. A caller with a key accepts values only
 * encrypted.
 */
function formOf(id: PreparedRequest['id'], status: number, opens: boolean): string | undefined {
  const forms: Readonly<Record<number, string>> = OPERATIONS[id].answers;
  const form = forms[status];
  return form === 'sealable' && opens ? 'sealed' : form;
}

async function readBodyAs(
  form: string,
  response: IncomingMessage,
  open: Authorization['open'],
): Promise<unknown> {
  if (form === 'none') {
    response.resume();
    return undefined;
  }
  const bytes = await readWhole(response, MOST_BYTES);
  if (form === 'bytes') return new Uint8Array(bytes);
  const text = textOf(bytes, response);
  if (form === 'text') return text;
  return jsonOf(form === 'sealed' && open !== undefined ? await open(text) : text, response);
}

/** Returns the answer if it is an event stream, without reading it. @throws as `readAnswer` */
export async function requireEventStream(
  request: PreparedRequest,
  response: IncomingMessage,
): Promise<IncomingMessage> {
  if (response.statusCode === 200 && mediaOf(response) === MEDIA['events']) return response;
  throw await readFailure(request, response);
}

/** Builds the error of an unexpected answer: the broker's refusal, or an answer that is not the broker's. */
async function readFailure(
  request: PreparedRequest,
  response: IncomingMessage,
): Promise<ApiError | UnreachableError> {
  if (mediaOf(response) !== 'application/problem+json') {
    response.destroy();
    return notOurs(response);
  }
  const text = textOf(await readWhole(response, MOST_PROBLEM_BYTES), response);
  const problem = jsonOf(text, response);
  return isProblem(problem)
    ? new ApiError(
        request,
        { ...problem, status: response.statusCode ?? 0 },
        retryAfterOf(response),
      )
    : notOurs(response);
}

function isProblem(value: unknown): value is components['schemas']['Problem'] {
  if (typeof value !== 'object' || value === null) return false;
  const { code, title, requestId, detail, problems } = value as Record<string, unknown>;
  return (
    typeof code === 'string' &&
    CODE.test(code) &&
    typeof title === 'string' &&
    typeof requestId === 'string' &&
    ['undefined', 'string'].includes(typeof detail) &&
    (problems === undefined || (Array.isArray(problems) && problems.every(isDocumentProblem)))
  );
}

function isDocumentProblem(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { pointer, message, line, column } = value as Record<string, unknown>;
  return (
    typeof pointer === 'string' &&
    typeof message === 'string' &&
    [line, column].every((each) => ['undefined', 'number'].includes(typeof each))
  );
}

/** Reads whole seconds (RFC 9110, section 10.2.3). The broker never sends dates. */
function retryAfterOf(response: IncomingMessage): number | undefined {
  const text = response.headers['retry-after'];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function headersOf(response: IncomingMessage): Readonly<Record<string, string>> {
  const entries = Object.entries(response.headers);
  return Object.fromEntries(entries.map(([name, value]) => [name, [value].flat().join(', ')]));
}

function mediaOf({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** @throws UnreachableError for a body that is longer than `most` bytes, compressed or cut off */
async function readWhole(response: IncomingMessage, most: number): Promise<Buffer> {
  try {
    return await readBody(response, most);
  } catch (error) {
    if (!(error instanceof UnusableAnswer)) throw transportError(error, 'the response');
    if (error.reason !== 'body_too_large') throw notOurs(response);
    throw new UnreachableError('too_large', `the response has over ${most} bytes`);
  }
}

function textOf(bytes: Uint8Array, response: IncomingMessage): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw notOurs(response);
  }
}

/** The parser's error is dropped, because it quotes the text. */
function jsonOf(text: string, response: IncomingMessage): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw notOurs(response);
  }
}

function notOurs(response: IncomingMessage): UnreachableError {
  const status = response.statusCode ?? 0;
  const isRedirect = status >= 300 && status < 400;
  const what = isRedirect
    ? 'a redirect, which is not followed'
    : 'a response that is not the API of a broker';
  return new UnreachableError(
    'not_ours',
    `the URL of the broker returns status ${status} with ${what}`,
    {
      status,
    },
  );
}
