import type { components, operations } from '../ports/openapi/api.ts';
import type { OPERATIONS } from '../ports/openapi/operations.ts';

/** The operationIds of openapi.yaml. */
export type OperationId = keyof operations & keyof typeof OPERATIONS;
/** Operations with one answer: all but the event stream. */
export type CallId = Exclude<OperationId, 'followEvents'>;

/** A version of a secret, which may be kept until its lease expires. */
export type Secret = components['schemas']['Disclosure'];

type ParametersOf<Id extends OperationId> = operations[Id]['parameters'];
type ResponsesOf<Id extends OperationId> = operations[Id]['responses'];

/** `Name: Part` if the contract requires it, `Name?: Part` if it allows it, and `Name?: undefined` if it has none. */
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
/** Headers of an operation without DPoP: the credential adds the proof, not the caller. */
type HeadersOf<Parameters> =
  PartOf<Parameters, 'header'> extends infer H
    ? [H] extends [never]
      ? never
      : [keyof Omit<H, 'DPoP'>] extends [never]
        ? never
        : Omit<H, 'DPoP'>
    : never;

/** The text of a document, so that the broker reports problems with the lines of the file. */
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

/** The input of an operation, with the types of openapi.yaml. */
export type CallInput<Id extends OperationId> = Given<
  'path',
  PartOf<ParametersOf<Id>, 'path'>,
  true
> &
  Given<'query', PartOf<ParametersOf<Id>, 'query'>, IsRequired<ParametersOf<Id>, 'query'>> &
  Given<'headers', HeadersOf<ParametersOf<Id>>, IsRequired<ParametersOf<Id>, 'header'>> &
  BodyInput<Id> & {
    readonly signal?: AbortSignal | undefined;
    /** Number of tries of this call, instead of that of the client. */
    readonly tries?: number | undefined;
  };

type BodyOf<Response> = Response extends { content: infer Content }
  ? Content extends { readonly 'application/json': infer Json }
    ? Json
    : Content extends { readonly 'text/plain': infer Text }
      ? Text
      : Content extends { readonly 'application/octet-stream': unknown }
        ? Uint8Array
        : never
  : undefined;

/** The body of an operation's answer: typed JSON, text, bytes, or nothing. */
export type SuccessBody<Id extends OperationId> = {
  [Status in Exclude<keyof ResponsesOf<Id>, 'default'>]: BodyOf<ResponsesOf<Id>[Status]>;
}[Exclude<keyof ResponsesOf<Id>, 'default'>];

/** Lists with pages of `items`. */
export type PagedId = {
  [Id in CallId]: ParametersOf<Id> extends { readonly query?: { readonly after?: string } }
    ? IsNever<PartOf<ParametersOf<Id>, 'query'>> extends true
      ? never
      : 'after' extends keyof PartOf<ParametersOf<Id>, 'query'>
        ? IsNever<ItemOf<Id>> extends true
          ? never
          : Id
        : never
    : never;
}[CallId];

type IsNever<T> = [T] extends [never] ? true : false;

export type ItemOf<Id extends CallId> =
  SuccessBody<Id> extends { readonly items: readonly (infer Item)[] } ? Item : never;

/** Answer of the broker. */
export interface Answer<Id extends OperationId> {
  readonly status: number;
  /** Headers, keyed by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The id of the request in the broker's log and audit log. */
  readonly requestId: string;
  readonly body: SuccessBody<Id>;
}

/** The input is optional if the operation needs none. */
export type InputArguments<Id extends OperationId> =
  { readonly signal?: AbortSignal } extends CallInput<Id>
    ? [input?: CallInput<Id>]
    : [input: CallInput<Id>];
