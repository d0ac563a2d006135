import * as z from 'zod';
import { RESPONSE_ACTIONS } from '../../domain/alerts/response-rule.ts';
import type { ClaimMapping, ClusterSpec } from '../../domain/identity/cluster.ts';
import type { DefinitionSpec } from '../../domain/secrets/definition.ts';
import { BrokerError } from '../../domain/errors.ts';
import { EMBEDDED, type MountSpec } from '../../domain/secrets/mount.ts';
import { parseCidr } from '../../domain/network/cidr.ts';
import { declaredHost } from '../../domain/network/allowed-hosts.ts';
import { parsePolicy } from '../../domain/policy/index.ts';
import { fieldProblems, fieldWords } from '../../domain/words/schema-words.ts';
import type { OperatorSpec, OperatorTokenSpec } from '../../domain/identity/principal.ts';
import { isTrustDomain } from '../../domain/identity/spiffe-id.ts';
import { IDENTITY_LIMITS } from '../../domain/identity/workload.ts';
import { claimName, claimValue, duration, name, path, positive, text } from './fields.ts';
import { grant } from './grant-schema.ts';
import type { DocumentKind, DocumentSpecs } from './kinds.ts';
import { postureProfile, withProfileDefaults } from './posture-schema.ts';
import { responseRule } from './response-schema.ts';
import { ROLE_BINDING_FORMS, roleBindingSchema } from './role-binding-schema.ts';
import { rotation } from './rotation-schema.ts';

const SPIFFE = 'spiffe://';

const cidr = text.refine(
  (value) => parseCidr(value) !== undefined,
  'must be a network such as 10.0.0.0/8',
);

const issuer = {
  connection: name,
  issuer: text,
  audiences: z.array(text).min(1).max(16),
  allowSeveralAudiences: z.boolean().default(false),
  maxTokenLifetime: positive.default(86_400),
};

const apiServer = z.strictObject({
  url: text.refine(
    (value) => declaredHost(value) !== undefined,
    'must be https://<host> in lower case, with a port and a path or without',
  ),
  ca: z
    .string()
    .max(65_536)
    .refine((pem) => pem.includes('-----BEGIN CERTIFICATE-----'), 'must be certificates in PEM')
    .optional(),
  serviceAccount: text
    .regex(
      /^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9.-]{0,252}$/,
      'must be <namespace>/<name> of an account',
    )
    .default('quaymaster/quaymaster-logins'),
});

const kubernetesCluster = z
  .strictObject({
    ...issuer,
    type: z.literal('kubernetes', 'must be kubernetes, oidc or spiffe').default('kubernetes'),
    mode: z.enum(['jwks', 'token-review', 'both']).default('jwks'),
    allowWithoutPod: z.boolean().default(false),
    podWatch: z.boolean().default(true),
    podFactsMaxAge: duration
      .default(600)
      .describe('How long the last known facts of a pod are good while the API server is silent'),
    podLabelsMaxAge: duration
      .default(86_400)
      .describe('The same for the labels by which posture profiles match pods and namespaces'),
    trivyReports: z.boolean().default(false),
    apiServer: apiServer
      .optional()
      .describe('Only with a connection of type enrolled; docs/enrolment.md'),
  })
  .transform(({ maxTokenLifetime, podFactsMaxAge, podLabelsMaxAge, ...rest }): ClusterSpec => ({
    ...rest,
    maxTokenLifetimeSeconds: maxTokenLifetime,
    podFactsMaxAgeSeconds: podFactsMaxAge,
    podLabelsMaxAgeSeconds: podLabelsMaxAge,
  }))
  .describe('A Kubernetes cluster; docs/clusters.md.');

const claimMapping = z
  .strictObject({
    claim: claimName,
    prefix: z.string().min(1).max(512).optional(),
    parts: z.union([z.int().min(1).max(IDENTITY_LIMITS.segments), z.literal('any')]).default(1),
  })
  .transform(({ claim, prefix, parts }): ClaimMapping => ({
    claim,
    parts,
    ...(prefix === undefined ? {} : { prefix }),
  }));

const oidcCluster = z
  .strictObject({
    ...issuer,
    type: z.literal('oidc'),
    requiredClaims: z
      .record(claimName, z.union([claimValue, z.array(claimValue).min(1).max(64)]))
      .default({}),
    identity: z
      .array(claimMapping)
      .min(1)
      .max(IDENTITY_LIMITS.segments)
      .refine((mappings) => mappings.slice(0, -1).every(({ parts }) => parts !== 'any'), {
        message: 'only the last claim may have "parts: any"',
      }),
  })
  .transform(({ maxTokenLifetime, requiredClaims, ...rest }): ClusterSpec => ({
    ...rest,
    requiredClaims: Object.fromEntries(
      Object.entries(requiredClaims).map(([claim, values]) => [claim, [values].flat()]),
    ),
    maxTokenLifetimeSeconds: maxTokenLifetime,
  }))
  .describe('Pipelines and other workloads of an OIDC issuer; docs/clusters.md.');

const spiffeCluster = z
  .strictObject({
    type: z.literal('spiffe'),
    connection: name,
    issuer: text.refine(
      (value) => value.startsWith(SPIFFE) && isTrustDomain(value.slice(SPIFFE.length)),
      'must be a trust domain such as spiffe://example.org',
    ),
  })
  .describe('Workloads with SVIDs of a SPIFFE trust domain; docs/clusters.md.');

/** The schema of the cluster's own type. */
function clusterSchema(body: unknown): z.ZodType<ClusterSpec> {
  const type = typeof body === 'object' && body !== null && 'type' in body ? body.type : undefined;
  if (type === 'oidc') return oidcCluster;
  return type === 'spiffe' ? spiffeCluster : kubernetesCluster;
}

/** Memory drops a value of the embedded provider as soon as it changes, so the cache time hardly matters. */
const EMBEDDED_CACHE_SECONDS = 86_400;

const mount = z
  .strictObject({
    prefix: path,
    connection: name,
    options: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('Settings of the provider; docs/providers.'),
    leaseTtl: positive.default(3_600),
    cacheTtl: duration.optional(),
    staleIfError: duration.default(0),
  })
  .transform(({ leaseTtl, cacheTtl, staleIfError, ...rest }): MountSpec => {
    const unless = rest.connection === EMBEDDED ? EMBEDDED_CACHE_SECONDS : 0;
    return {
      ...rest,
      leaseTtlSeconds: leaseTtl,
      cacheTtlSeconds: cacheTtl ?? unless,
      staleIfErrorSeconds: staleIfError,
    };
  });

const definition = z
  .strictObject({
    ref: z
      .unknown()
      .optional()
      .describe("The exact reference at the backend, in the provider's terms."),
    class: z.enum(['static', 'dynamic']).default('static'),
    leaseTtl: positive.optional(),
    maxLeaseTtl: positive
      .optional()
      .describe(
        'For a dynamic definition, the longest lifetime of a lease with all its renewals, from its issue on. 24h by default.',
      ),
    cacheTtl: duration.optional(),
    staleIfError: duration.optional(),
    description: text.optional(),
    rotation: rotation.optional(),
    decoy: z
      .strictObject({
        action: z.enum(RESPONSE_ACTIONS).default('audit'),
        scope: z
          .enum(['pod', 'workload'])
          .default('pod')
          .describe(
            'Cut off the pod or the workload. A workload without a pod, or an operator, is cut off itself.',
          ),
      })
      .optional()
      .describe(
        'Nothing uses this secret. Each reader gets its value as that of any other secret, and raises an alert of the source `decoy`; docs/runtime-alerts.md.',
      ),
  })
  .superRefine((value, context) => {
    const dynamic = value.class === 'dynamic';
    if (!dynamic && value.maxLeaseTtl !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['maxLeaseTtl'],
        message: 'is for dynamic definitions only',
      });
    }
    if (dynamic && value.rotation !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['rotation'],
        message: 'a dynamic credential is issued for each lease and does not rotate',
      });
    }
    if (dynamic && value.decoy !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['decoy'],
        message: 'is for static definitions only',
      });
    }
    if (dynamic && (value.cacheTtl !== undefined || value.staleIfError !== undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['cacheTtl'],
        message: 'a dynamic credential is never cached',
      });
    }
  })
  .transform((value): DefinitionSpec => ({
    class: value.class,
    ...(value.ref === undefined ? {} : { ref: value.ref }),
    ...(value.leaseTtl === undefined ? {} : { leaseTtlSeconds: value.leaseTtl }),
    ...(value.maxLeaseTtl === undefined ? {} : { maxLeaseTtlSeconds: value.maxLeaseTtl }),
    ...(value.cacheTtl === undefined ? {} : { cacheTtlSeconds: value.cacheTtl }),
    ...(value.staleIfError === undefined ? {} : { staleIfErrorSeconds: value.staleIfError }),
    ...(value.description === undefined ? {} : { description: value.description }),
    ...(value.rotation === undefined ? {} : { rotation: value.rotation }),
    ...(value.decoy === undefined ? {} : { decoy: value.decoy }),
  }));

const operator = z
  .strictObject({ description: text.optional(), grants: z.array(grant).max(64) })
  .transform(({ description, grants }): OperatorSpec => ({
    grants,
    ...(description === undefined ? {} : { description }),
  }));

const operatorToken = z
  .strictObject({
    ttl: positive.optional(),
    grants: z.array(grant).max(64).optional(),
    sourceCidrs: z.array(cidr).max(64).default([]),
    description: text.optional(),
  })
  .transform(({ ttl, grants, sourceCidrs, description }) => {
    const spec: Omit<OperatorTokenSpec, 'minters'> = {
      sourceCidrs,
      ...(grants === undefined ? {} : { grants }),
      ...(description === undefined ? {} : { description }),
    };
    return { ttlSeconds: ttl, spec };
  });

/**
 * The forms of the body of each kind. openapi.yaml and the custom resources of Kubernetes get their schemas from these. Policies have a parser of
 * their own, and their schema stands in openapi.yaml.
 */
export const BODY_FORMS: Readonly<Record<Exclude<DocumentKind, 'policy'>, readonly z.ZodType[]>> = {
  cluster: [kubernetesCluster, oidcCluster, spiffeCluster],
  mount: [mount],
  definition: [definition],
  operator: [operator],
  'role-binding': ROLE_BINDING_FORMS,
  'posture-profile': [postureProfile],
  'response-rule': [responseRule],
};

/** The generation of defaults of new documents. A document keeps the one with which it was created: no release changes what it means. */
export const DEFAULTS = 1;

/**
 * Validates a document's body strictly and adds its defaults.
 * @param defaults the generation of defaults; 0 for documents that were created before there were generations
 * @throws ERR_UNKNOWN_FIELD, ERR_BODY_INVALID or ERR_POLICY_INVALID, each with all problems at once.
 */
export function parseSpec<K extends DocumentKind>(
  kind: K,
  body: unknown,
  defaults = DEFAULTS,
): DocumentSpecs[K] {
  return PARSERS[kind](body, defaults);
}

type Parser<Spec> = (body: unknown, defaults: number) => Spec;

const PARSERS: { readonly [K in DocumentKind]: Parser<DocumentSpecs[K]> } = {
  policy: parsePolicy,
  cluster: (body) => parseWith(clusterSchema(body), body),
  mount: (body) => parseWith(mount, body),
  definition: (body) => parseWith(definition, body),
  operator: (body) => parseWith(operator, body),
  'role-binding': (body) => parseWith(roleBindingSchema(body), body),
  'posture-profile': (body, defaults) =>
    withProfileDefaults(parseWith(postureProfile, body), defaults),
  'response-rule': (body) => parseWith(responseRule, body),
};

/** @throws ERR_UNKNOWN_FIELD, ERR_BODY_INVALID */
export function parseOperatorToken(body: unknown): z.output<typeof operatorToken> {
  return parseWith(operatorToken, body);
}

function parseWith<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body, { error: fieldWords() });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => fieldProblems(issue));
  const unknown = parsed.error.issues.some((issue) => issue.code === 'unrecognized_keys');
  throw new BrokerError(unknown ? 'ERR_UNKNOWN_FIELD' : 'ERR_BODY_INVALID', undefined, {
    problems,
  });
}
