import { load } from 'js-yaml';
import { z } from 'zod';
import { ACCESS, type Operation, type OperationId } from '../src/api/contract/access.ts';
import { BODY_FORMS } from '../src/broker/model/schema.ts';
import { POLICY_SCHEMAS } from '../src/domain/policy/policy-schema.ts';
import { ERRORS } from '../src/domain/errors.ts';
import { ROLES } from '../src/domain/identity/principal.ts';
import type { Contract } from './contract.ts';
import { yamlText } from './yaml-text.ts';

/** Line in openapi.yaml after which everything is generated. */
const MARK =
  '    # All below is written by `npm run generate`, from errors.ts and the schemas by which the broker reads documents.\n';
const SCHEMAS = '#/components/schemas/';

/** The lines of an operation that its row in access.ts gives. */
const OWNED = /^ {6}(?:security: \[\]|x-(?:who|roles|weight|audit-action|step-up): .*)\n/gm;
const OPERATION = /^ {6}operationId: (\w+)\n(?: {6}.*\n|\n)*/gm;
const TAGS = /^ {6}tags: .*\n/m;

function accessOf({ who, roles, weight, action, stepUp }: Operation): string {
  const named = roles.length === ROLES.length ? ['any'] : roles;
  const lines = [
    `x-who: ${who}`,
    ...(who === 'public' ? ['security: []'] : []),
    ...(named.length === 0 ? [] : [`x-roles: [${named.join(', ')}]`]),
    `x-weight: ${weight}`,
    ...(action === undefined ? [] : [`x-audit-action: ${action}`]),
    ...(stepUp === 'never' ? [] : [`x-step-up: ${stepUp}`]),
  ];
  return lines.map((line) => `      ${line}\n`).join('');
}

/** The contract with the facts of access.ts in each operation, after its tags. Every other line stays as it is. */
function withAccess(contract: string): string {
  return contract.replaceAll(OPERATION, (block: string, id: string) => {
    const row = ACCESS.get(id as OperationId);
    if (row === undefined) throw new Error(`access.ts has no operation ${id}`);
    const written = block.replaceAll(OWNED, '');
    if (!TAGS.test(written)) throw new Error(`the operation ${id} has no line "tags: [...]"`);
    return written.replace(TAGS, (tags) => tags + accessOf(row));
  });
}

type Schema = Readonly<Record<string, unknown>>;

/** Members that readers need first, in their order. */
const FIRST = [
  'type',
  'additionalProperties',
  'description',
  'enum',
  'const',
  'required',
  'properties',
];
const LAST = ['default'];

function rank(keyword: string): number {
  if (LAST.includes(keyword)) return FIRST.length + 1;
  return FIRST.includes(keyword) ? FIRST.indexOf(keyword) : FIRST.length;
}

/** Keywords that say nothing, or nothing outside the schema that the library made. */
function isIdle(keyword: string, value: unknown): boolean {
  const text = JSON.stringify(value);
  return (
    ['$schema', 'id', '$defs'].includes(keyword) ||
    (keyword === 'propertyNames' && text === '{"type":"string"}') ||
    (keyword === 'additionalProperties' && text === '{}')
  );
}

/** A schema as a person would write it. */
function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== 'object' || value === null) return value;
  const keywords = Object.entries(value).filter(([keyword, each]) => !isIdle(keyword, each));
  const sorted = keywords.sort(([a], [b]) => rank(a) - rank(b));
  return Object.fromEntries(sorted.map(([keyword, each]) => [keyword, tidyKeyword(keyword, each)]));
}

function tidyKeyword(keyword: string, value: unknown): unknown {
  if (keyword === '$ref') return String(value).replace('#/$defs/', SCHEMAS);
  if (keyword === 'default') return value;
  if (keyword !== 'properties') return tidy(value);
  return Object.fromEntries(
    Object.entries(value as object).map(([name, each]) => [name, tidy(each)]),
  );
}

const KINDS = {
  Cluster: 'cluster',
  Mount: 'mount',
  Definition: 'definition',
  Operator: 'operator',
  RoleBinding: 'role-binding',
  PostureProfile: 'posture-profile',
  ResponseRule: 'response-rule',
} as const satisfies Record<string, keyof typeof BODY_FORMS>;

/** The schemas of the bodies of documents, and of the parts that have names. */
function bodySchemas(): Readonly<Record<string, Schema>> {
  const found: Record<string, Schema> = {};
  const parts: Record<string, Schema> = {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const forms = BODY_FORMS[kind].map((form) => {
      const { $defs = {}, ...schema } = z.toJSONSchema(form, {
        io: 'input',
        unrepresentable: 'any',
      });
      Object.assign(parts, $defs);
      return schema;
    });
    found[name] = forms.length === 1 ? (forms[0] as Schema) : { oneOf: forms };
  }
  const named = Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...found, ...Object.fromEntries(named) };
}

/** Adds the schemas. Schemas that are written by hand are kept: their patterns describe the functions that the broker calls. */
function withSchemas(contract: string): string {
  const kept = contract.slice(0, contract.indexOf(MARK) + MARK.length);
  const { schemas } = (load(kept) as Contract).components;
  const generated: Record<string, Schema> = {
    ErrorCode: { type: 'string', enum: Object.keys(ERRORS) },
    ...bodySchemas(),
    ...POLICY_SCHEMAS,
  };
  const written = Object.entries(generated)
    .filter(([name]) => !Object.hasOwn(schemas, name))
    .map(([name, schema]) => yamlText(`    ${name}:`, tidy(schema), '    '));
  return kept + written.join('');
}

/** Generates openapi.yaml with everything that the code contains already. */
export function generatedContract(contract: string): string {
  if (!contract.includes(MARK)) throw new Error('openapi.yaml has no mark of its generated part');
  return withSchemas(withAccess(contract));
}
