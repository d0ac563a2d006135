import type { OperationId, RawBody } from './contract-types.ts';
import { InputError } from './errors.ts';
import { OPERATIONS } from '../ports/openapi/operations.ts';

/** A request without its credential. */
export interface PreparedRequest {
  readonly id: OperationId;
  readonly method: string;
  readonly path: string;
  /** Query with the question mark, or empty. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The input of any operation at run time. */
export interface AnyInput {
  readonly path?: Readonly<Record<string, string | number>> | undefined;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: unknown;
  readonly raw?: RawBody | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly tries?: number | undefined;
}

/** The broker does not decode paths. Names contain no characters that need encoding, and a parameter must not change which operation is called. */
const SEGMENTS = /^[A-Za-z0-9._+=@-]+(?:\/[A-Za-z0-9._+=@-]+)*$/;
const SEGMENT = /^[A-Za-z0-9._+=@-]+$/;
const DOTS = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** @throws InputError for an unknown operation, and if a path parameter is missing or invalid; the message does not contain it */
export function prepareRequest(id: OperationId, input: AnyInput = {}): PreparedRequest {
  // JavaScript has no types that would find the misspelling.
  if (!Object.hasOwn(OPERATIONS, id)) {
    throw new InputError(`there is no operation "${id}"; openapi.yaml lists all operationIds`);
  }
  const { method, path: template, needsBody } = OPERATIONS[id];
  const path = template.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    parameterOf(name, input.path?.[name]),
  );
  const body =
    input.raw?.text ?? (input.body === undefined ? undefined : JSON.stringify(input.body));
  if (needsBody && body === undefined) throw new InputError(`${id} needs a body: { body: … }`);
  const type = input.raw?.type ?? 'application/json';
  return {
    id,
    method,
    path,
    query: queryOf(input.query),
    headers: {
      ...present(input.headers),
      ...(body !== undefined && { 'content-type': type }),
    },
    body,
  };
}

const PATH_HINT =
  '; a path has no slash at its beginning and end, and its parts have letters of a-z, digits and . _ + = @ -';

function parameterOf(name: string, value: string | number | undefined): string {
  const text = String(value ?? '');
  const pattern = name === 'path' ? SEGMENTS : SEGMENT;
  if (!pattern.test(text) || DOTS.test(text)) {
    const hint = name === 'path' ? PATH_HINT : '';
    throw new InputError(`the ${name} is missing or invalid${hint}`);
  }
  return text;
}

function queryOf(query: AnyInput['query']): string {
  const pairs = Object.entries(present(query)).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function present(
  values: Readonly<Record<string, string | number | boolean | undefined>> = {},
): Record<string, string> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}
