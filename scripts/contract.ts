interface Reference {
  readonly $ref: string;
}

type Shared<T> = Readonly<Record<string, T>>;

export interface ContractParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: object;
  readonly 'x-multi-segment'?: boolean;
}

export interface ContractContent {
  /** Set for bodies of requests. */
  readonly required?: boolean;
  readonly content?: Shared<{ readonly schema: object }>;
}

interface WrittenOperation {
  readonly operationId: string;
  readonly parameters?: readonly (ContractParameter | Reference)[];
  readonly requestBody?: ContractContent | Reference;
  readonly responses: Shared<ContractContent | Reference>;
}

/** Part of openapi.yaml that scripts and tests read. */
export interface Contract {
  readonly info: { readonly version: string };
  readonly paths: Shared<Shared<WrittenOperation>>;
  readonly components: {
    readonly parameters: Shared<ContractParameter>;
    readonly requestBodies: Shared<ContractContent>;
    readonly responses: Shared<ContractContent>;
    readonly schemas: Shared<object>;
  };
}

/** An operation with the shared parts instead of the references to them. References to schemas stay. */
export interface ContractOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly ContractParameter[];
  readonly body: ContractContent;
  readonly responses: Shared<ContractContent>;
}

function resolve<T extends object>(shared: Shared<T>, part: T | Reference): T {
  if (!('$ref' in part)) return part;
  const found = shared[part.$ref.slice(part.$ref.lastIndexOf('/') + 1)];
  if (found === undefined) throw new Error(`the contract has no ${part.$ref}`);
  return found;
}

export function operationsOf({ paths, components }: Contract): readonly ContractOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const { parameters = [], requestBody = {}, responses } = operation;
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        parameters: parameters.map((each) => resolve(components.parameters, each)),
        body: resolve(components.requestBodies, requestBody),
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, each]) => [
            status,
            resolve(components.responses, each),
          ]),
        ),
      };
    }),
  );
}
