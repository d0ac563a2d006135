import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { testMetrics } from '../../kit/api/test-metrics.ts';
import { ACCESS, type OperationId } from '../../../src/api/contract/access.ts';
import type { Incoming, Route } from '../../../src/api/request/route.ts';
import { parseJson } from '../../../src/domain/text/parse-body.ts';
import { coreRoutes } from '../../../src/api/routes/index.ts';
import { OPTION_ROUTES } from '../../../src/features/options.ts';
import { parsePushedAttestation } from '../../../src/features/attestations/parse-attestation.ts';
import { parsePushedReport } from '../../../src/features/posture/pack-report.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import { parseOperatorToken, parseSpec } from '../../../src/broker/model/schema.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { ContractOperation, ContractParameter } from '../../../scripts/contract.ts';
import {
  contractOperations,
  contractSchemas,
  validatorOf,
} from '../../kit/api/openapi-contract.ts';
import { mutated, valuesOf, type Shape, type Shapes } from '../../kit/api/shape-values.ts';

const VALUES = 25;
const CHANGES = 8;
/** The same values in every run. */
const SEED = 20_261_129;

/** Texts of schemas whose rule no pattern says: it is arithmetic, or another standard's. */
const TEXTS: Shapes['texts'] = {
  SecretPath: ['a', 'payments/db', 'team-1/app.x/db@prod=+_'],
  Duration: ['1m', '90s', '15m', '1h'],
  DurationOrNone: ['0s', '90s', '15m', '7d'],
  CidrBlock: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
  IpAddress: ['10.0.0.7', '2001:db8::7'],
  TimeOfDay: ['08:00', '17:30'],
  TimeZone: ['UTC', 'Europe/Zurich'],
  WorkloadName: ['k8s://prod/shop/web', 'ci://github/acme/shop/production'],
  PathPattern: ['payments/**', 'team/*/db', 'a'],
  IdentityPattern: ['github/acme/*', 'ns/prod/sa/shop'],
  PosturePattern: ['registry.example/**', 'shop', 'a/*/b'],
  SigningIdentity: ['https://github.com/acme/*', 'release@acme.example'],
  DayOrInstant: ['2026-12-31', '2026-12-31T12:00:00Z'],
};

/**
 * The refusals of bodies that have the right shape: rules about several fields at once, and about what a text means. A schema could say some of
 * them, in variants that no client library makes good types of.
 */
const RULES: readonly RegExp[] = [
  // Fields that depend on another field.
  /^is for (?:failures|dynamic definitions only|static definitions only|policies only)/,
  /^an incident needs one$/,
  /^needs ifMatch or ifNoneMatch, not both$/,
  /^needs either "key" or "keyless"$/,
  /^needs "slsaProvenance" or "vulnScan"$/,
  /^needs the action revoke or quarantine/,
  /^must be given, or "namespace" and "name"$/,
  /^must (?:not )?be evidence-writer/,
  /^must include admin: /,
  /^must check something/,
  /^must not be "\*" in a binding of the role admin/,
  /^must name the subjects or claims of a binding of the role admin/,
  /^a dynamic credential /,
  /^has no meaning in a deny$/,
  /^must be (?:true in an allow|false in a deny)/,
  /^is not in "trustRoots"$/,
  // Items that depend on the other items.
  /^name each path once$/,
  /^is the name of an earlier rule$/,
  /^only the last claim may have/,
  /^brings the combinations of /,
  /^must (?:not )?have (?:at most \d+ )?"\*{1,2}"/,
  // Texts whose form depends on another field: the prefixes of a scope, the name of a document, the end of a window.
  /^admin has no scope/,
  /^must be a (?:path: segments|repository of images|lower-case name)/,
  /^1 to (?:63 of|16 segments of) /,
  /^must be a time (?:of day such as 02:30|from 00:00 to 2[34]:)/,
  /^must not (?:start and end at the same time|end when it starts)/,
  // Texts with a meaning: keys, trust domains, ports, releases of Kubernetes.
  /^must be one public key in PEM/,
  /^must be certificates in PEM$/,
  /^must be https:\/\/<host> in lower case/,
  /^must be a trust domain/,
  /^is not the identity of a workload$/,
  /^must be http:\/\/127\.0\.0\.1:<port>/,
  /^must be at most v1\.\d+$/,
  /^If-Match takes one version in quotes$/,
];

/** A reader may also refuse for its caller. */
const ABOUT_REQUESTS: readonly string[] = [
  'ERR_REQUEST_INVALID',
  'ERR_PATH_INVALID',
  'ERR_BODY_INVALID',
  'ERR_UNKNOWN_FIELD',
  'ERR_POLICY_INVALID',
];

/** Texts that a reader accepts although the shape refuses them. */
const LENIENT: Readonly<Record<string, string>> = { 'listSecrets query prefix': '' };

/** Bodies that the use case reads, after its decision about the caller. */
const USE_CASES: Readonly<Record<string, (body: unknown) => unknown>> = {
  ...documentReaders({
    putPolicy: 'policy',
    putCluster: 'cluster',
    putMount: 'mount',
    putDefinition: 'definition',
    putOperator: 'operator',
    putRoleBinding: 'role-binding',
    putPostureProfile: 'posture-profile',
    putResponseRule: 'response-rule',
    surveyPosture: 'posture-profile',
  }),
  createOperatorToken: parseOperatorToken,
  // A thread reads them.
  pushEvidence: parsePushedReport,
  pushAttestation: parsePushedAttestation,
};

/** Bodies that have no shape: the source of the alert chooses its form, and validation reports the faults of a policy in its answer. */
const SHAPELESS: ReadonlySet<string> = new Set(['receiveAlert', 'validatePolicy']);

function documentReaders(
  kinds: Readonly<Record<string, DocumentKind>>,
): Readonly<Record<string, (body: unknown) => unknown>> {
  return Object.fromEntries(
    Object.entries(kinds).map(([id, kind]) => [id, (body: unknown) => parseSpec(kind, body)]),
  );
}

const shapes: Shapes = { schemas: contractSchemas, texts: TEXTS };
const routes = {
  ...OPTION_ROUTES,
  ...coreRoutes({
    unready: () => [],
    held: () => [],
    warnings: () => [],
    status: () => Promise.reject(new Error('no broker runs')),
    activity: () => ({ age: 0, logins: [], reads: [], refusals: [] }),
    metrics: testMetrics(),
    servesMetrics: true,
    openApi: () => '{}',
  }),
};

const bodies = contractOperations.flatMap(({ id, body }) => {
  const schema = body.content?.['application/json']?.schema;
  return schema === undefined || SHAPELESS.has(id) ? [] : [[id, schema] as const];
});

const PARAMS: Incoming['params'] = { id: 'lea_1', name: 'a', path: 'a/b' };
const HEADERS: Incoming['headers'] = { 'idempotency-key': 'k' };
const NOTHING: object = new Proxy({}, { get: () => () => undefined });

function drawn<T>(values: fc.Arbitrary<T>, count: number): readonly T[] {
  return fc.sample(values, { numRuns: count, seed: SEED });
}

/** The reasons for which the broker refuses a body of an operation; none: it accepts the body. */
function refusals(id: string, value: unknown): readonly string[] {
  return refusalsOf(() => {
    const body = parseJson(JSON.stringify(value));
    const read = USE_CASES[id];
    if (read === undefined) readRequest(id as OperationId, { body });
    else read(body.value);
  });
}

function refusalsOf(read: () => void): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    const { code, detail, problems } = error;
    if (!ABOUT_REQUESTS.includes(code)) return [];
    return problems?.map(({ message }) => message) ?? [detail ?? code];
  }
}

function readRequest(id: OperationId, given: Partial<Incoming>): void {
  const route = routes[id] as Route<never>;
  route.read({
    operation: ACCESS.get(id)!,
    params: PARAMS,
    query: new Map(),
    headers: HEADERS,
    token: '',
    network: '',
    proof: undefined,
    chain: () => undefined,
    caller: undefined,
    limits: { maxValueBytes: 1_048_576, batchItems: 100 },
    rates: NOTHING,
    share: NOTHING,
    ...given,
  } as Incoming);
}

/** A body of the shape to which no rule objects. */
function acceptedBody(id: string, shape: Shape): unknown {
  return drawn(valuesOf(shape, shapes), 1_000).find((each) => refusals(id, each).length === 0);
}

describe('the readers of bodies and the shapes of openapi.yaml', () => {
  it.each(bodies)('accept the same bodies of %s', (id, schema) => {
    const isValid = validatorOf(`${id} body`, schema);
    const found = new Set<string>();
    for (const value of drawn(valuesOf(schema as Shape, shapes), VALUES)) {
      if (!isValid(value))
        throw new Error(`the generator left the shape: ${JSON.stringify(value)}`);
      for (const message of refusals(id, value)) {
        if (!RULES.some((rule) => rule.test(message))) found.add(`refused: ${message}`);
      }
      for (const changed of drawn(mutated(value), CHANGES)) {
        if (!isValid(changed) && refusals(id, changed).length === 0) {
          const { instancePath, message } = isValid.errors?.[0] ?? {};
          found.add(`accepted although the shape says: ${instancePath} ${message}`);
        }
      }
    }
    expect([...found]).toEqual([]);
    expect(acceptedBody(id, schema as Shape)).toBeDefined();
  });
});

/** Texts of parameters that many readers misread. */
const FOREIGN = [
  '',
  ' ',
  '0',
  '-1',
  '01',
  '1.5',
  '1e3',
  'True',
  'null',
  '*',
  '..',
  'a//b',
  'é',
  'x'.repeat(2_000),
];

/** A parameter as the shape sees it; undefined for a text that is not a value of its type. */
function typed({ type }: Shape, text: string): unknown {
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (type !== 'integer') return text;
  const number = Number(text);
  return Number.isSafeInteger(number) && String(number) === text ? number : undefined;
}

const parameters = contractOperations.flatMap((operation) =>
  operation.parameters
    .filter(({ name }) => name !== 'DPoP' && !SHAPELESS.has(operation.id))
    .map(
      (parameter) =>
        [`${operation.id} ${parameter.in} ${parameter.name}`, operation, parameter] as const,
    ),
);

/** Everything that each operation needs besides the parameter that a test varies. */
const needed = new Map<string, Partial<Incoming>>();

function neededBy(operation: ContractOperation): Partial<Incoming> {
  const { id, body, parameters: all } = operation;
  let request = needed.get(id);
  if (request === undefined) {
    const query = all.filter(({ in: place, required }) => place === 'query' && required === true);
    const schema = body.content?.['application/json']?.schema;
    const value = schema && acceptedBody(id, schema);
    request = {
      query: new Map(
        query.map(({ name, schema: each }) => [
          name,
          String(drawn(valuesOf(each as Shape, shapes), 1)[0]),
        ]),
      ),
      ...(value !== undefined && { body: parseJson(JSON.stringify(value)) }),
    };
    needed.set(id, request);
  }
  return request;
}

function requestWith(
  operation: ContractOperation,
  { in: place, name }: ContractParameter,
  text: string,
): Partial<Incoming> {
  const { query = new Map<string, string>(), ...rest } = neededBy(operation);
  return {
    ...rest,
    params: place === 'path' ? { ...PARAMS, [name]: text } : PARAMS,
    query: place === 'query' ? new Map([...query, [name, text]]) : query,
    headers: place === 'header' ? { ...HEADERS, [name.toLowerCase()]: text } : HEADERS,
  };
}

describe('the readers of parameters and the shapes of openapi.yaml', () => {
  it.each(parameters)('accept the same texts for %s', (key, operation, parameter) => {
    const shape = parameter.schema as Shape;
    const isValid = validatorOf(key, shape);
    const name = shape.$ref?.slice(shape.$ref.lastIndexOf('/') + 1) ?? '';
    const resolved = (contractSchemas[name] ?? shape) as Shape;
    const members = drawn(valuesOf(shape, shapes), VALUES).map(String);
    const found = new Set<string>();
    for (const text of [...members, ...FOREIGN]) {
      const request = requestWith(operation, parameter, text);
      const refused = refusalsOf(() => readRequest(operation.id as OperationId, request));
      const value = typed(resolved, text);
      const isMember = value !== undefined && isValid(value);
      if (!isMember && refused.length === 0 && LENIENT[key] !== text)
        found.add(`accepted: ${text.slice(0, 30)}`);
      if (!isMember || (Object.hasOwn(TEXTS, name) && !members.includes(text))) continue;
      for (const message of refused) {
        if (!RULES.some((rule) => rule.test(message)))
          found.add(`refused: ${text.slice(0, 30)}: ${message}`);
      }
    }
    expect([...found]).toEqual([]);
  });
});
