import { CAPABILITIES, DAYS, POLICY_API_VERSION, POLICY_KIND } from './access-policy.ts';
import type { FieldNames } from './document-node.ts';
import { POLICY_LIMITS } from './policy-limits.ts';

/*
 * The fields, limits and patterns of an access policy, each once: the parser reads documents by them, and openapi.yaml and the custom resource are
 * generated from them. Rules that JSON Schema cannot express are in the parser, and in internals/spec/access-policy-v1.md.
 */

type JsonSchema = Readonly<Record<string, unknown>>;

/** Text without control characters but tabs and line feeds. */
const PRINTABLE = '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$';

export const PATTERNS = {
  description: new RegExp(PRINTABLE, 'u'),
  namespace: /^[a-z0-9*-]{1,63}$/,
  serviceAccount: /^[a-z0-9.*-]{1,253}$/,
  labelKey:
    /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
  labelValue: /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
};

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function text(pattern: RegExp): JsonSchema {
  // In a JSON Schema, "/" needs no escape.
  return { type: 'string', pattern: pattern.source.replaceAll('\\/', '/') };
}

function list(items: JsonSchema, maxItems?: number): JsonSchema {
  return { type: 'array', minItems: 1, ...(maxItems !== undefined && { maxItems }), items };
}

function texts(items: JsonSchema, maxItems?: number): JsonSchema {
  return { ...list(items, maxItems), uniqueItems: true };
}

/** An object that has no other fields. */
function object(
  required: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
) {
  return {
    type: 'object',
    additionalProperties: false,
    ...(Object.keys(required).length > 0 && { required: Object.keys(required) }),
    properties: { ...required, ...optional },
  };
}

/** The fields that a document may have at the place of this schema. */
function fieldsOf({ required = [], properties }: ReturnType<typeof object>): FieldNames {
  const optional = Object.keys(properties).filter((name) => !required.includes(name));
  return { required, optional };
}

const CLUSTERS = reference('PolicyClusters');

const KUBERNETES_SUBJECT = object(
  {
    clusters: CLUSTERS,
    namespaces: texts(text(PATTERNS.namespace), POLICY_LIMITS.subjectNames),
    serviceAccounts: texts(text(PATTERNS.serviceAccount), POLICY_LIMITS.subjectNames),
  },
  {
    podLabels: {
      type: 'object',
      minProperties: 1,
      maxProperties: POLICY_LIMITS.podLabels,
      propertyNames: reference('LabelKey'),
      additionalProperties: reference('LabelValue'),
    },
  },
);

const OIDC_SUBJECT = object({
  clusters: CLUSTERS,
  identities: texts(reference('IdentityPattern'), POLICY_LIMITS.subjectNames),
});

const TIME_WINDOW = object(
  { from: reference('TimeOfDay'), to: reference('TimeOfDay'), timeZone: reference('TimeZone') },
  { days: texts({ enum: DAYS }) },
);

const CONDITIONS = object(
  {},
  {
    sealedDelivery: {
      type: 'boolean',
      description:
        '`true` in an allow matches only sessions with sealed answers. `false` in a deny matches all other sessions.',
    },
    sourceCidrs: texts(reference('CidrBlock'), POLICY_LIMITS.sourceCidrs),
    timeWindows: list(TIME_WINDOW, POLICY_LIMITS.timeWindows),
  },
);

const RULE = object(
  {
    effect: { enum: ['allow', 'deny'] },
    paths: texts(reference('PathPattern'), POLICY_LIMITS.paths),
    capabilities: texts(reference('Capability')),
  },
  {
    name: reference('Name'),
    maxLeaseTtl: reference('Duration'),
    conditions: { ...CONDITIONS, minProperties: 1 },
  },
);

const METADATA = object(
  { name: reference('Name') },
  {
    description: {
      type: 'string',
      maxLength: POLICY_LIMITS.descriptionLength,
      pattern: PRINTABLE,
    },
  },
);

const SPEC = object({
  subjects: list(reference('PolicySubject'), POLICY_LIMITS.subjects),
  rules: list(reference('PolicyRule'), POLICY_LIMITS.rules),
});

const DOCUMENT = object({
  apiVersion: { const: POLICY_API_VERSION },
  kind: { const: POLICY_KIND },
  metadata: METADATA,
  spec: SPEC,
});

/** JSON Schemas of the API by their names. They refer to others of openapi.yaml. */
export const POLICY_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  AccessPolicy: { ...DOCUMENT, description: 'internals/spec/access-policy-v1.md' },
  PolicySubject: {
    oneOf: [
      {
        ...KUBERNETES_SUBJECT,
        description:
          'Workloads of Kubernetes. `*` in a namespace or a service account is any text.',
      },
      { ...OIDC_SUBJECT, description: 'Workloads of OIDC and SPIFFE clusters.' },
    ],
  },
  PolicyClusters: texts(reference('Name'), POLICY_LIMITS.subjectNames),
  PolicyRule: RULE,
  Capability: { enum: CAPABILITIES },
  IdentityPattern: {
    type: 'string',
    description:
      'An identity without `ci://<cluster>/`; `*` is any text within a segment after the first.',
    examples: ['github/acme/*'],
  },
  PathPattern: {
    type: 'string',
    description:
      'Segments of a path; `*` is any text within one, `**` any segments. internals/spec/access-policy-v1.md',
    minLength: 1,
    maxLength: POLICY_LIMITS.patternLength,
    examples: ['payments/**'],
  },
  LabelKey: text(PATTERNS.labelKey),
  LabelValue: text(PATTERNS.labelValue),
};

/** Fields of the objects of a policy. */
export const FIELDS = {
  document: fieldsOf(DOCUMENT),
  metadata: fieldsOf(METADATA),
  spec: fieldsOf(SPEC),
  kubernetesSubject: fieldsOf(KUBERNETES_SUBJECT),
  oidcSubject: fieldsOf(OIDC_SUBJECT),
  rule: fieldsOf(RULE),
  // The format reserves `postureProfile`.
  conditions: { ...fieldsOf(CONDITIONS), unsupported: ['postureProfile'] },
  timeWindow: fieldsOf(TIME_WINDOW),
};
