import type { operations } from './generated/api.ts';
import type { OPERATIONS } from './generated/operations.ts';

/** Names of operations, as openapi.yaml has them. */
export type OperationId = keyof operations & keyof typeof OPERATIONS;
/** Operations that are one request and one answer: all but the event stream. */
export type CallId = Exclude<OperationId, 'followEvents'>;

type ParametersOf<Id extends OperationId> = operations[Id]['parameters'];
type ResponsesOf<Id extends OperationId> = operations[Id]['responses'];

/** `Name: Part` where the contract requires it, `Name?: Part` where it allows it, and nothing else to give where it has none. */
type Given<Name extends string, Part, IsRequired extends boolean> = [Part] extends [never]
  ? { readonly [key in Name]?: undefined }
  : IsRequired extends true
    ? { readonly [key in Name]: Part }
    : { readonly [key in Name]?: Part };

type IsRequired<Parameters, Name extends string> =
  Parameters extends Record<Name, object> ? true : false;
type PartOf<Parameters, Name extends string> = Parameters extends {
  readonly [key in Name]?: infer P;
}
  ? NonNullable<P>
  : never;
/** The credential makes the proof: it is no header for the caller to give. */
type HeadersOf<Parameters> =
  PartOf<Parameters, 'header'> extends infer H
    ? [H] extends [never]
      ? never
      : [keyof Omit<H, 'DPoP'>] extends [never]
        ? never
        : Omit<H, 'DPoP'>
    : never;

/** A document as it was written, so that the broker tells its faults by the lines of the file. */
export interface RawBody {
  readonly type: 'application/yaml' | 'application/json';
  readonly text: string;
}

type BodyInput<Id extends OperationId> = operations[Id] extends {
  readonly requestBody: { readonly content: { readonly 'application/json': infer B } };
}
  ? | { readonly body: B; readonly raw?: undefined }
    | { readonly body?: undefined; readonly raw: RawBody }
  : { readonly body?: undefined; readonly raw?: undefined };

/** What an operation takes, each part as openapi.yaml says. */
export type CallInput<Id extends OperationId> = Given<
  'path',
  PartOf<ParametersOf<Id>, 'path'>,
  true
> &
  Given<'query', PartOf<ParametersOf<Id>, 'query'>, IsRequired<ParametersOf<Id>, 'query'>> &
  Given<'headers', HeadersOf<ParametersOf<Id>>, IsRequired<ParametersOf<Id>, 'header'>> &
  BodyInput<Id> & { readonly signal?: AbortSignal | undefined };

type BodyOf<Response> = Response extends { content: infer Content }
  ? Content extends { readonly 'application/json': infer Json }
    ? Json
    : Content extends { readonly 'text/plain': infer Text }
      ? Text
      : Content extends { readonly 'application/octet-stream': unknown }
        ? Uint8Array
        : never
  : undefined;

/** The body of an operation's answer: JSON as it is described, text, bytes, or nothing. */
export type SuccessBody<Id extends OperationId> = {
  [Status in Exclude<keyof ResponsesOf<Id>, 'default'>]: BodyOf<ResponsesOf<Id>[Status]>;
}[Exclude<keyof ResponsesOf<Id>, 'default'>];

/** Lists that come in pages. */
export type PagedId = {
  [Id in CallId]: ParametersOf<Id> extends { readonly query?: { readonly after?: string } }
    ? IsNever<PartOf<ParametersOf<Id>, 'query'>> extends true
      ? never
      : 'after' extends keyof PartOf<ParametersOf<Id>, 'query'>
        ? Id
        : never
    : never;
}[CallId];

type IsNever<T> = [T] extends [never] ? true : false;

export type ItemOf<Id extends CallId> =
  SuccessBody<Id> extends { readonly items: readonly (infer Item)[] } ? Item : never;

/** What the broker answered. */
export interface Answer<Id extends OperationId> {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Under which the broker logged and recorded the request. */
  readonly requestId: string;
  readonly body: SuccessBody<Id>;
}

/** The input may be left out where an operation needs none. */
export type InputArguments<Id extends OperationId> =
  { readonly signal?: AbortSignal } extends CallInput<Id>
    ? [input?: CallInput<Id>]
    : [input: CallInput<Id>];
