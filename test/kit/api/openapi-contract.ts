import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { load } from 'js-yaml';
import { operationsOf, type Contract, type ContractOperation } from '../../../scripts/contract.ts';

interface Answered {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: unknown;
}

/** Reads openapi.yaml as JSON, once for all suites of a run: parsing YAML takes 0.3 s of processor time. */
function readDocument(): unknown {
  const text = readFileSync(new URL('../../../openapi.yaml', import.meta.url), 'utf8');
  const digest = createHash('sha256').update(text).digest('hex');
  const file = join(tmpdir(), `openapi-${digest}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const document: unknown = load(text);
  const part = `${file}.${process.pid}`;
  writeFileSync(part, JSON.stringify(document));
  renameSync(part, file);
  return document;
}

const document = readDocument() as Contract;

// Most validators see few answers: making their code shorter takes a third of the time to compile them.
const ajv = new Ajv2020({ strict: false, allErrors: true, code: { optimize: false } });
formats.default(ajv);
ajv.addSchema(document, 'openapi.yaml');
const validators = new Map<string, ValidateFunction>();

const { schemas, responses } = document.components;

export const contractSchemas = schemas;

/** The error codes that the contract lists. */
export const contractCodes = (schemas['ErrorCode'] as { readonly enum: readonly string[] }).enum;

export const contractOperations = operationsOf(document);
const matchers = contractOperations.map((operation) => [operation, matcher(operation)] as const);

/** Finds the operation of a request, if the contract has one. */
function operationAt(method: string, target: string): ContractOperation | undefined {
  const path = target.split('?', 1)[0] ?? '';
  const found = matchers.find(
    ([operation, pattern]) => operation.method === method && pattern.test(path),
  );
  return found?.[0];
}

function matcher({ path }: ContractOperation): RegExp {
  const source = path
    .replaceAll('.', '\\.')
    .replaceAll(/\{(\w+)\}/g, (_all, name) => (name === 'path' ? '.*' : '[^/:]+'));
  return new RegExp(`^${source}$`);
}

/**
 * Describes how an answer violates the contract; undefined: it does not. An answer that no operation describes must be a problem
 * document.
 */
export function contractFault(
  method: string,
  target: string,
  answered: Answered,
): string | undefined {
  const operation = operationAt(method, target);
  const { status, type = '' } = answered;
  const described = operation?.responses[String(status)] ?? responses['Problem'];
  const name = operation === undefined ? 'no operation' : operation.id;
  if (described?.content === undefined) {
    return answered.body === '' ? undefined : `${name} ${status}: a body where none is described`;
  }
  const media = Object.keys(described.content).find((each) => type.startsWith(each));
  if (media === undefined) return `${name} ${status}: media type ${type}`;
  if (!media.endsWith('json')) return undefined;
  const validate = validatorOf(`${name} ${status} ${media}`, described.content[media]!.schema);
  return validate(answered.body)
    ? undefined
    : `${name} ${status}: ${ajv.errorsText(validate.errors)}`;
}

/** Compiles a schema of the contract once for its key. Many keys share the schema of a problem. */
export function validatorOf(key: string, schema: object): ValidateFunction {
  let validate = validators.get(key);
  if (validate === undefined) {
    const text = JSON.stringify(schema).replaceAll('"#/', '"openapi.yaml#/');
    validate = validators.get(text) ?? ajv.compile(JSON.parse(text) as object);
    validators.set(key, validate).set(text, validate);
  }
  return validate;
}
