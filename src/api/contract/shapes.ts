import type { components, operations } from '../../ports/openapi/api.ts';

/** Values that become this shape as JSON. A field that may be absent may also be undefined, because JSON leaves it out. */
type Rendered<T> = T extends readonly (infer Item)[]
  ? readonly Rendered<Item>[]
  : T extends object
    ? {
        readonly [Key in keyof T]: object extends Pick<T, Key>
          ? Rendered<T[Key]> | undefined
          : Rendered<T[Key]>;
      }
    : T;

/** A schema of openapi.yaml, as the broker makes its values. */
export type Shape<Name extends keyof components['schemas']> = Rendered<components['schemas'][Name]>;

type Responses<Id extends keyof operations> = operations[Id]['responses'];

/** The JSON bodies that openapi.yaml describes for the answers of an operation; `never` for an operation without any. */
export type BodyOf<Id extends keyof operations> = {
  [Status in keyof Responses<Id>]: Status extends number
    ? Responses<Id>[Status] extends {
        readonly content: { readonly 'application/json': infer Body extends object };
      }
      ? Rendered<Body>
      : never
    : never;
}[keyof Responses<Id>];
