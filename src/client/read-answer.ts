import type { IncomingMessage } from 'node:http';
import type { Authorization } from './credential.ts';
import { ApiError, UnreachableError } from './errors.ts';
import type { components } from './generated/api.ts';
import { OPERATIONS } from './generated/operations.ts';
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

/** An answer as it is at run time; `Answer` gives it its type. */
export interface AnyAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly body: unknown;
}

/**
 * The answer of the broker to this request, whole.
 * @throws ApiError for its no, UnreachableError for what is cut off, too large, or of somebody else; nothing of the body is in it
 */
export async function readAnswer(
  { id }: PreparedRequest,
  response: IncomingMessage,
  { open }: Authorization,
): Promise<AnyAnswer> {
  const status = response.statusCode ?? 0;
  const form = formOf(id, status, open !== undefined);
  // 503 is said by who cannot serve: with another media type it is a problem or no answer of the broker.
  if (form === undefined || (form !== 'none' && mediaOf(response) !== MEDIA[form])) {
    throw await failureOf(id, response);
  }
  const headers = headersOf(response);
  const body = await bodyOf(form, response, open);
  return { status, headers, requestId: headers['x-request-id'] ?? '', body };
}

/** Undefined where the contract describes no such answer. Who can open gets no value that is not sealed. */
function formOf(id: PreparedRequest['id'], status: number, opens: boolean): string | undefined {
  const forms: Readonly<Record<number, string>> = OPERATIONS[id].answers;
  const form = forms[status];
  return form === 'sealable' && opens ? 'sealed' : form;
}

async function bodyOf(
  form: string,
  response: IncomingMessage,
  open: Authorization['open'],
): Promise<unknown> {
  if (form === 'none') {
    response.resume();
    return undefined;
  }
  const bytes = await readBody(response, MOST_BYTES);
  if (form === 'bytes') return new Uint8Array(bytes);
  const text = textOf(bytes, response);
  if (form === 'text') return text;
  return jsonOf(form === 'sealed' && open !== undefined ? await open(text) : text, response);
}

/** The answer where it is an event stream, not read yet. @throws as `readAnswer` */
export async function streamOf(
  { id }: PreparedRequest,
  response: IncomingMessage,
): Promise<IncomingMessage> {
  if (response.statusCode === 200 && mediaOf(response) === MEDIA['events']) return response;
  throw await failureOf(id, response);
}

/** What an answer that is not the wanted one says: the broker's no, or that somebody else answered. */
async function failureOf(
  id: PreparedRequest['id'],
  response: IncomingMessage,
): Promise<ApiError | UnreachableError> {
  if (mediaOf(response) !== 'application/problem+json') {
    response.destroy();
    return notOurs(response);
  }
  const text = textOf(await readBody(response, MOST_PROBLEM_BYTES), response);
  const problem = jsonOf(text, response);
  return isProblem(problem)
    ? new ApiError(id, { ...problem, status: response.statusCode ?? 0 }, retryAfterOf(response))
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

/** Whole seconds (RFC 9110, section 10.2.3); the broker sends no dates. */
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

/** Cut off at `most` bytes, whatever Content-Length says. */
async function readBody(response: IncomingMessage, most: number): Promise<Buffer> {
  if (response.headers['content-encoding'] !== undefined) {
    response.destroy();
    throw notOurs(response);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > most) throw new UnreachableError('too_large', `an answer of over ${most} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw transportError(error, 'an answer');
  }
  return Buffer.concat(chunks, length);
}

function textOf(bytes: Uint8Array, response: IncomingMessage): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw notOurs(response);
  }
}

/** The parser's error is dropped: it quotes what it could not parse. */
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
  const what = isRedirect ? 'a redirect, which is not followed' : 'something that is not its API';
  return new UnreachableError('not_ours', `the URL of the broker answers ${status} with ${what}`, {
    status,
  });
}
