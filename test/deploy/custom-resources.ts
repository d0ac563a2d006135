import { readFileSync } from 'node:fs';
import { dump, load } from 'js-yaml';
import {
  RESOURCE_GROUP,
  RESOURCES,
  type Resource,
} from '../../src/features/custom-resources/cluster-object.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
  readonly $ref?: string;
}

interface Contract {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const ANYTHING = { 'x-kubernetes-preserve-unknown-fields': true };

/**
 * The shape of a schema in the form that Kubernetes demands ("structural"): types, fields and fixed values. The broker checks the rest, so that
 * each problem is reported by one validator, with its position. Unknown fields are kept for it: the API server would drop the misspelt condition
 * of a rule silently, and the rule would hold without the condition.
 */
function structural(schema: Schema): object {
  const { $ref, anyOf, type, properties, additionalProperties, items, description } = schema;
  const own = description === undefined ? {} : { description };
  const words = description === undefined ? {} : { description: description.trim() };
  if ($ref !== undefined) return structural({ ...resolve($ref), ...own });
  if (anyOf !== undefined) return structural({ ...joined(anyOf), ...own });
  if (type === 'object' && properties !== undefined) {
    const fields = Object.entries(properties).map(([name, field]) => [name, structural(field)]);
    const { required } = schema;
    const needs = required === undefined ? {} : { required };
    return { type, ...words, ...ANYTHING, ...needs, properties: Object.fromEntries(fields) };
  }
  if (type === 'object') {
    const isOpen = typeof additionalProperties !== 'object' || isEmpty(additionalProperties);
    return isOpen
      ? { type, ...words, ...ANYTHING }
      : { type, ...words, additionalProperties: structural(additionalProperties) };
  }
  if (type === 'array') return { type, ...words, items: structural(items ?? {}) };
  const values = 'const' in schema ? [schema.const] : schema.enum;
  if (values !== undefined) return { type: 'string', ...words, enum: values };
  return typeof type === 'string' ? { type, ...words } : { ...words, ...ANYTHING };
}

function isEmpty(schema: Schema): boolean {
  return Object.keys(schema).length === 0;
}

/** An object that has the fields of all variants and requires none, because a structural schema has no variants. */
function joined(variants: readonly Schema[]): Schema {
  return {
    type: 'object',
    properties: Object.assign({}, ...variants.map(({ properties }) => properties)) as Record<
      string,
      Schema
    >,
  };
}

const CONTRACT = load(readFileSync('openapi.yaml', 'utf8')) as Contract;

function resolve(reference: string): Schema {
  return CONTRACT.components.schemas[reference.replace('#/components/schemas/', '')]!;
}

/** The schema of a kind's body in the contract. */
const BODIES: Readonly<Record<Resource['kind'], () => Schema>> = {
  mount: () => resolve('Mount'),
  definition: () => resolve('Definition'),
  'posture-profile': () => resolve('PostureProfile'),
  'response-rule': () => resolve('ResponseRule'),
  policy: () => resolve('AccessPolicy').properties!['spec']!,
};

function bodySpec({ kind }: Resource): object {
  return structural(BODIES[kind]());
}

const TEXT = { type: 'string' };
const INTEGER = { type: 'integer' };

const STATUS = {
  type: 'object',
  description: 'Written by the broker.',
  properties: {
    document: { ...TEXT, description: 'Name of the document at the broker.' },
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
        properties: {
          type: TEXT,
          status: { ...TEXT, enum: ['True', 'False', 'Unknown'] },
          observedGeneration: INTEGER,
          lastTransitionTime: { ...TEXT, format: 'date-time' },
          reason: TEXT,
          message: TEXT,
        },
      },
    },
  },
};

function column(name: string, jsonPath: string): object {
  return { name, type: 'string', jsonPath };
}

function specOf(resource: Resource): object {
  const body = bodySpec(resource) as { readonly properties: object; readonly required?: string[] };
  if (resource.kind !== 'definition') return body;
  const path = { ...TEXT, description: 'The path of the secret that the definition is for.' };
  const required = ['path', ...(body.required ?? [])];
  return { ...body, required, properties: { path, ...body.properties } };
}

function definitionOf(group: string, resource: Resource): object {
  const { objectKind, plural, isNamespaced } = resource;
  const singular = objectKind.toLowerCase();
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      // Without the definition the API server deletes the objects, and the broker then their documents.
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group,
      scope: isNamespaced ? 'Namespaced' : 'Cluster',
      names: { kind: objectKind, plural, singular, categories: ['quaymaster'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            column('Accepted', '.status.conditions[?(@.type=="Accepted")].status'),
            column('Reason', '.status.conditions[?(@.type=="Accepted")].reason'),
            column('Document', '.status.document'),
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: TEXT,
                kind: TEXT,
                metadata: { type: 'object' },
                spec: specOf(resource),
                status: STATUS,
              },
            },
          },
        },
      ],
    },
  };
}

/** The definitions of the custom resources, from the schemas by which the broker checks documents. */
export function customResources(): string {
  const group = RESOURCE_GROUP;
  const options = { noRefs: true, lineWidth: -1 };
  return RESOURCES.map((each) => dump(definitionOf(group, each), options)).join('---\n');
}
