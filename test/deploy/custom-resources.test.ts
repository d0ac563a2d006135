import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { RESOURCES } from '../../src/features/custom-resources/cluster-object.ts';
import { parseSpec } from '../../src/broker/model/schema.ts';
import { CHART } from './chart.ts';

interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string; readonly plural: string };
    readonly scope: string;
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
}

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly [keyword: string]: unknown;
}

const FILE = readFileSync(`${CHART}/files/custom-resources.yaml`, 'utf8');
const DEFINITIONS = loadAll(FILE) as Definition[];
const VECTORS = JSON.parse(readFileSync('test/vectors/policy-documents-v1.json', 'utf8')) as {
  readonly valid: { readonly spec: object };
};

function specOf(kind: string): Schema {
  const found = DEFINITIONS.find(({ spec }) => spec.names.kind === kind)!;
  return found.spec.versions[0].schema.openAPIV3Schema.properties!['spec']!;
}

/** Bodies with as many fields as possible, all of which the broker accepts. */
const BODIES: readonly (readonly [string, object])[] = [
  ['AccessPolicy', VECTORS.valid.spec],
  [
    'Mount',
    { prefix: 'a', connection: 'c', options: { any: { b: [1] } }, leaseTtl: '1h', cacheTtl: '0s' },
  ],
  ['SecretDefinition', { class: 'dynamic', maxLeaseTtl: '2h', ref: { path: ['x'] } }],
  ...[{ cron: '0 3 * * *', timeZone: 'UTC' }, { every: '1h' }].map(
    (schedule) =>
      [
        'SecretDefinition',
        {
          ref: 'text',
          rotation: {
            schedule,
            strategy: 'generated',
            options: { length: 3, deep: { x: true } },
            windows: [{ from: '02:00', to: '04:00', timeZone: 'UTC' }],
            canary: { share: 10 },
            drill: { every: '1d' },
          },
        },
      ] as const,
  ),
  [
    'PostureProfile',
    {
      mode: 'enforce',
      match: { podLabels: { 'a.b/c': 'd' }, secretPaths: ['kv/**'] },
      pod: { securityStandard: { level: 'baseline', version: 'v1.34' } },
      vulnerabilities: { deny: ['CRITICAL'], graceDays: 3, reportMaxAge: '72h' },
      exposedSecrets: { deny: ['HIGH'] },
      ignoreContainers: [{ name: 'proxy', image: 'r/*' }],
    },
  ],
  ['ResponseRule', { action: 'revoke', match: { tags: ['T1552'] }, order: 3, rotate: 'read' }],
];

describe('the definitions of custom resources', () => {
  it('have the kinds and scopes that the broker copies', () => {
    expect(
      DEFINITIONS.map(({ spec: { names, scope } }) => [names.kind, names.plural, scope]),
    ).toEqual(
      RESOURCES.map(({ objectKind, plural, isNamespaced }) => [
        objectKind,
        plural,
        isNamespaced ? 'Namespaced' : 'Cluster',
      ]),
    );
  });

  it.each(BODIES)('accept what the broker accepts: %s', (objectKind, body) => {
    const { kind } = RESOURCES.find((each) => each.objectKind === objectKind)!;
    const head = { apiVersion: 'quaymaster.dev/v1', kind: 'AccessPolicy', metadata: { name: 'x' } };
    parseSpec(kind, kind === 'policy' ? { ...head, spec: body } : body);
    const spec = kind === 'definition' ? { path: 'a/b', ...body } : body;
    const validate = new Ajv({ strict: false }).compile(specOf(objectKind));
    expect([validate(spec), validate.errors]).toEqual([true, null]);
  });

  it('keep unknown fields for the broker to refuse, at every level', () => {
    const dropping = (schema: Schema, place: string): readonly string[] => {
      const { properties = {}, items, additionalProperties } = schema;
      const inner = [
        ...Object.entries(properties).map(([name, each]) => dropping(each, `${place}.${name}`)),
        ...[items, additionalProperties].map((each) =>
          typeof each === 'object' ? dropping(each as Schema, `${place}[]`) : [],
        ),
      ].flat();
      const isOpen =
        schema['x-kubernetes-preserve-unknown-fields'] === true ||
        additionalProperties !== undefined ||
        schema.type !== 'object';
      return isOpen ? inner : [place, ...inner];
    };
    for (const { objectKind } of RESOURCES) {
      expect(dropping(specOf(objectKind), objectKind)).toEqual([]);
    }
  });
});
