import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import { readBearer } from '../../src/api/request/bearer.ts';
import {
  parseJson as parseJsonBody,
  parseYaml as parseYamlBody,
} from '../../src/domain/text/parse-body.ts';
import { parseTexts } from '../../src/api/request/body/parse-texts.ts';
import { readPreconditions } from '../../src/api/answer/entity-tag.ts';
import { readPage } from '../../src/api/request/page-query.ts';
import { parseQuery } from '../../src/api/request/query.ts';
import { readJwk } from '../../src/auth/jwks/read-jwks.ts';
import { readJwks } from '../../src/auth/jwks/read-jwks.ts';
import { parseCompactToken } from '../../src/auth/jwt/compact-token.ts';
import { readOidcClaims, type OidcRules } from '../../src/auth/jwt/oidc-claims.ts';
import { readTokenClaims } from '../../src/auth/jwt/token-claims.ts';
import { readTokenHeader } from '../../src/auth/jwt/token-header.ts';
import { readPod } from '../../src/auth/pod-watch/observed-pod.ts';
import { readWatchEvent } from '../../src/auth/watch/watch-event.ts';
import { readReviewedUser } from '../../src/auth/token-review/reviewed-user.ts';
import { parseOperatorToken, parseSpec } from '../../src/broker/model/schema.ts';
import { readProofHeader } from '../../src/broker/access/read-proof.ts';
import { readProof } from '../../src/broker/access/read-proof.ts';
import { checkConfig } from '../../src/program/config/load.ts';
import { decodeBase64 } from '../../src/crypto/random/base64.ts';
import { readCertificate } from '../../src/crypto/certificates/certificate-facts.ts';
import { readKeyPair } from '../../src/crypto/keys/key-pair.ts';
import { readLeaf } from '../../src/crypto/certificates/svid.ts';
import { parseTilePath } from '../../src/crypto/log/tiles.ts';
import { parseCidr } from '../../src/domain/network/cidr.ts';
import { parseCompactJws } from '../../src/domain/identity/compact-jws.ts';
import { BrokerError } from '../../src/domain/errors.ts';
import { glob } from '../../src/domain/words/glob.ts';
import { parseIpAddress } from '../../src/domain/network/ip-address.ts';
import { parseNewPath, parseSecretPath } from '../../src/domain/words/names.ts';
import { parseDuration } from '../../src/domain/policy/duration.ts';
import {
  parsePolicy,
  parsePolicySubjects,
  readSubjects,
} from '../../src/domain/policy/parse-policy.ts';
import { evaluate } from '../../src/domain/posture/evaluate.ts';
import { imageReference } from '../../src/domain/posture/image-reference.ts';
import { PodNode } from '../../src/domain/posture/pod-node.ts';
import { podsIn } from '../../src/domain/posture/pods-in.ts';
import { compileProfile } from '../../src/domain/posture/profile.ts';
import { parseSpiffeId } from '../../src/domain/identity/spiffe-id.ts';
import { parseTimeOfDay } from '../../src/domain/time/time-window.ts';
import { openTimeZone } from '../../src/domain/time/time-zone.ts';
import { parseWorkloadId, workloadId, workloadOf } from '../../src/domain/identity/workload.ts';
import { MalformedJson } from '../../src/domain/text/json-node.ts';
import { parseJson } from '../../src/net/https/parse-json.ts';
import { retryAfterSeconds } from '../../src/net/https/retry-after.ts';
import { parseLocation as parseAwsLocation } from '../../src/providers/aws/secrets/location.ts';
import { parseVersion } from '../../src/providers/embedded/secrets/writes.ts';
import { parseLocation as parseKubernetesLocation } from '../../src/providers/kubernetes/location.ts';
import { readSecretObject } from '../../src/providers/kubernetes/secrets/secret-object.ts';
import { parseHandle as parseMysqlHandle } from '../../src/providers/mysql/credentials/user-handle.ts';
import { parseHandle as parsePostgresHandle } from '../../src/providers/postgres/credentials/role-handle.ts';
import {
  parseCredential,
  parseLeaseSeconds,
  parseOrphanToken,
  parseTokenIntent,
  parseTokenSeconds,
} from '../../src/providers/vault/credentials/answers.ts';
import { parseHandle as parseVaultHandle } from '../../src/providers/vault/credentials/handle.ts';
import { parseCiphertext } from '../../src/providers/vault/kek.ts';
import { parseLocator } from '../../src/providers/vault/locators.ts';
import { parseMembers } from '../../src/domain/text/json-members.ts';
import { parseStrictObject } from '../../src/domain/text/strict-json.ts';
import { readOneYaml, readYaml } from '../../src/domain/text/strict-yaml.ts';
import { parseTraceparent } from '../../src/process/trace/traceparent.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { NOTHING_SIGNED } from '../kit/images/unsigned-images.ts';
import {
  hostileBytes,
  hostileText,
  hostileValue,
  parses,
  parsesSoon,
} from '../kit/checks/hostile-values.ts';
import { boundClaims, ecKey, rawToken, signedToken } from '../kit/identity/token-factory.ts';
import { warningsLog } from '../kit/fakes/warnings-log.ts';

const NOW = Date.parse('2026-11-27T17:00:00Z');
const KEY = ecKey('key-1');
const CLAIMS = boundClaims({
  issuer: 'https://issuer.test',
  audience: ['quaymaster'],
  issuedAt: NOW / 1_000,
});
const RULES = {
  issuer: 'https://issuer.test',
  audiences: ['quaymaster'],
  allowSeveralAudiences: false,
  maxTokenLifetimeSeconds: 86_400,
  allowWithoutPod: true,
};
const OIDC_RULES: OidcRules = {
  ...RULES,
  requiredClaims: { iss: [RULES.issuer] },
  identity: [{ claim: 'jti', parts: 1 }],
};
const { cert: CERTIFICATE, key: PRIVATE_KEY } = new CertificateAuthority().issue({
  commonName: 'x',
  uris: ['spiffe://example.org/web'],
});
const refused = (): Error => new BrokerError('ERR_BODY_INVALID');
const withHeader = (name: string, value: string): IncomingMessage =>
  ({ headers: { [name]: value }, rawHeaders: [name, value] }) as unknown as IncomingMessage;
const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web',
    namespace: 'prod',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-11-27T17:00:00Z',
    labels: { app: 'web' },
  },
  spec: {
    hostNetwork: false,
    securityContext: { runAsUser: 1000, sysctls: [{ name: 'kernel.shm_rmid_forced' }] },
    volumes: [{ name: 'x', emptyDir: {} }],
    containers: [
      {
        name: 'app',
        image: 'registry.test/app:1',
        ports: [{ hostPort: 0 }],
        securityContext: {
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
    ],
  },
  status: {
    phase: 'Running',
    containerStatuses: [{ name: 'app', imageID: `registry.test/app@sha256:${'a'.repeat(64)}` }],
  },
};
const PROFILE = {
  mode: 'enforce',
  match: { namespaces: ['prod'], secretPaths: ['**'] },
  pod: { securityStandard: { level: 'restricted', version: 'v1.37' } },
  image: { registries: ['registry.test/**'] },
};
const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'all' },
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
    rules: [
      {
        name: 'all',
        effect: 'allow',
        paths: ['team/**'],
        capabilities: ['read'],
        conditions: { sourceCidrs: ['10.0.0.0/8'] },
      },
    ],
  },
};
const { kty, crv, x, y } = KEY.jwk as Readonly<Record<string, unknown>>;
const PROOF_HEADER = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } };
const PROOF = rawToken({
  header: PROOF_HEADER,
  payload: { jti: 'a', htm: 'GET', htu: 'https://broker.test/', iat: NOW / 1_000 },
  key: KEY,
});
const CONFIG = {
  store: { type: 'sqlite', path: '/a/store/b.db' },
  kek: { type: 'local-file', path: '/a/kek' },
  audit: { origin: 'quaymaster.test/x', logKeyFile: '/a/log', checkpointFile: '/a/checkpoint' },
  connections: { keys: { type: 'jwks', file: '/a/jwks' } },
};

/** Parsers of texts, each with a text that it accepts, from which hostile ones are made. */
const TEXTS: readonly (readonly [string, (text: string) => unknown, string])[] = [
  ['query of a request', (text) => parseQuery(text, ['limit', 'after']), 'limit=10&after=x%20y'],
  ['compact token', parseCompactToken, 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA'],
  ['base64', decodeBase64, 'AAECAw=='],
  ['certificate', readCertificate, CERTIFICATE],
  ['tile path', parseTilePath, 'tile/0/x001/234.p/5'],
  ['network', parseCidr, '2001:db8::/32'],
  ['address', parseIpAddress, '2001:db8::1'],
  ['new path', parseNewPath, 'team/app/db'],
  ['path', parseSecretPath, 'team/app/db'],
  ['duration', parseDuration, '1h30m'],
  ['time of day', (text) => parseTimeOfDay(text, true), '23:59'],
  ['workload', parseWorkloadId, 'k8s://prod/shop/web'],
  ['Retry-After', (text) => retryAfterSeconds(text, text), 'Fri, 27 Nov 2026 17:00:00 GMT'],
  ['AWS location', parseAwsLocation, 'prod/db#AWSCURRENT'],
  ['Kubernetes location', parseKubernetesLocation, 'prod/secrets/db'],
  ['version', parseVersion, '12'],
  ['handle of MySQL', parseMysqlHandle, '{"v":1,"set":"app","intent":"b","host":"%","ttl":60}'],
  [
    'handle of PostgreSQL',
    parsePostgresHandle,
    '{"v":1,"set":"app","intent":"b","label":"a","ttl":60}',
  ],
  [
    'handle of Vault',
    parseVaultHandle,
    '{"v":1,"intent":"b","path":"db/creds/app","method":"GET","ttl":60}',
  ],
  ['locator of Vault', parseLocator, 'secret/data/app/db'],
  ['members of an object', parseMembers, '{"a":1,"b":{"c":[1,2]}}'],
  ['JSON body', parseJsonBody, '{"a":[1,{"b":null}]}'],
  ['entity tag', (text) => readPreconditions({ 'if-match': text }), '"12"'],
  [
    'bearer',
    (text) => readBearer(withHeader('authorization', text)),
    `Bearer qms_${'a'.repeat(50)}`,
  ],
  [
    'page',
    (text) =>
      readPage(
        new Map([
          ['limit', text],
          ['after', text],
        ]),
      ),
    '100',
  ],
  ['proof of a session', readProof, PROOF],
  ['compact JWS', (text) => parseCompactJws(text, refused), signedToken(KEY, CLAIMS)],
  ['strict object', (text) => parseStrictObject(Buffer.from(text), refused), '{"a":{"b":[1]}}'],
  ['SPIFFE ID', parseSpiffeId, 'spiffe://example.org/ns/prod'],
  ['time zone', openTimeZone, 'Europe/Berlin'],
  ['glob', (text) => glob(text)(text), 'prod/**/db-*'],
  ['image', imageReference, `registry.test:5000/team/app:1@sha256:${'a'.repeat(64)}`],
  ['private key', readKeyPair, PRIVATE_KEY],
  ['traceparent', parseTraceparent, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
];

/** Parsers of JSON values that others wrote: answers of backends, documents, configuration. */
const VALUES: readonly (readonly [string, (value: unknown) => unknown, unknown])[] = [
  ['pod', readPod, POD],
  ['watch event', readWatchEvent, { type: 'ADDED', object: POD }],
  [
    'reviewed user',
    (value) => readReviewedUser(value, ['quaymaster']),
    {
      kind: 'TokenReview',
      status: {
        authenticated: true,
        audiences: ['quaymaster'],
        user: { username: 'system:serviceaccount:prod:web', uid: 'u', groups: [], extra: {} },
      },
    },
  ],
  [
    'claims of a pod',
    (value) => readTokenClaims(Buffer.from(JSON.stringify(value ?? null)), 'prod', RULES, NOW),
    CLAIMS,
  ],
  [
    'claims of OpenID Connect',
    (value) => readOidcClaims(Buffer.from(JSON.stringify(value ?? null)), 'ci', OIDC_RULES, NOW),
    CLAIMS,
  ],
  ['header of a proof', (value) => readProofHeader(Object(value) as never), PROOF_HEADER],
  [
    'secret of Kubernetes',
    (value) => readSecretObject(value, 'prod', 'db'),
    { kind: 'Secret', metadata: { namespace: 'prod', name: 'db' }, data: { a: 'AA==' } },
  ],
  [
    'credential of Vault',
    parseCredential,
    { lease_id: 'a', lease_duration: 60, renewable: true, data: { username: 'u', password: 'p' } },
  ],
  ['lease of Vault', parseLeaseSeconds, { lease_id: 'a', lease_duration: 60 }],
  [
    'orphan token of Vault',
    parseOrphanToken,
    {
      auth: { client_token: 'x', accessor: 'y', lease_duration: 60, renewable: true, orphan: true },
    },
  ],
  ['intent of a Vault token', parseTokenIntent, { data: { meta: { quaymaster_intent: 'x' } } }],
  ['seconds of a Vault token', parseTokenSeconds, { auth: { lease_duration: 60 } }],
  ['operator token', parseOperatorToken, { ttl: '1h', grants: [], sourceCidrs: ['10.0.0.0/8'] }],
  ['policy', parsePolicy, POLICY],
  ['subjects of a policy', parsePolicySubjects, POLICY],
  ['workloads of a document', readSubjects, [{ clusters: ['ci'], identities: ['acme/*'] }]],
  [
    'role binding of workloads',
    (value) => parseSpec('role-binding', value),
    {
      workloads: [{ clusters: ['ci'], identities: ['acme/*'] }],
      grants: [{ role: 'evidence-writer', scope: ['registry.test:5000/prod'] }],
    },
  ],
  [
    'cluster',
    (value) => parseSpec('cluster', value),
    {
      connection: 'keys',
      issuer: 'https://issuer.test',
      audiences: ['quaymaster'],
      podWatch: false,
    },
  ],
  ['mount', (value) => parseSpec('mount', value), { prefix: 'own', connection: 'embedded' }],
  [
    'definition',
    (value) => parseSpec('definition', value),
    {
      description: 'x',
      leaseTtl: '1h',
      rotation: { schedule: { every: '1h' }, strategy: 'generated' },
    },
  ],
  ['operator', (value) => parseSpec('operator', value), { grants: [{ role: 'admin' }] }],
  [
    'role binding',
    (value) => parseSpec('role-binding', value),
    { issuer: 'corp', claims: { groups: ['admin'] }, grants: [{ role: 'admin' }] },
  ],
  ['posture profile', (value) => parseSpec('posture-profile', value), PROFILE],
  ['configuration', (value) => checkConfig(value, 'config.yaml'), CONFIG],
];

describe('hostile input', () => {
  it.each(TEXTS)('is parsed or refused with an error of the broker: %s', (_what, parse, valid) => {
    expect(() => parse(valid)).not.toThrow();
    fc.assert(fc.property(hostileText(valid), (text) => parses(() => parse(text))));
  });

  it('refuses a binding of the role admin with an invalid claim beside a single value', () => {
    const claims = { auth: false, data: [] };
    expect(() =>
      parseSpec('role-binding', { issuer: 'corp', claims, grants: [{ role: 'admin' }] }),
    ).toThrow(expect.objectContaining({ code: 'ERR_BODY_INVALID' }));
  });

  it.each(VALUES)('is parsed or refused with an error of the broker: %s', (_what, parse, valid) => {
    expect(() => parse(valid)).not.toThrow();
    fc.assert(
      fc.property(hostileValue(valid), (each) => parses(() => parse(each))),
      { numRuns: 300 },
    );
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('bytes are JSON, a token header, a certificate or a ciphertext, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parses(() => parseJson(bytes));
        parses(() => readTokenHeader(bytes));
        expect(readLeaf(Buffer.from(bytes))).toBeUndefined();
        parses(() => parseCiphertext(bytes));
      }),
    );
  });

  it('a certificate with changed bytes has facts or none', () => {
    const der = Buffer.from(CERTIFICATE.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    fc.assert(fc.property(hostileBytes(der), (bytes) => void readLeaf(bytes)));
    expect(readLeaf(der)).toBeDefined();
  });

  it('YAML is read or refused with positions, and never throws', async () => {
    const valid = 'store: { type: sqlite, path: /a }\nlist: [1, &a 2, *a]\n';
    await fc.assert(
      fc.asyncProperty(hostileText(valid), async (text) => {
        const read = await readOneYaml(text, { allowAliases: true });
        if ('problems' in read) expect(read.problems.length).toBeGreaterThan(0);
        await readYaml(text);
        await parsesSoon(() => parseYamlBody(text));
        await parsesSoon(() => parseTexts([text, '{}'], (at) => `/items/${at}`));
      }),
    );
  });

  it('a key set has trusted keys, or is refused', async () => {
    const log = warningsLog();
    await fc.assert(
      fc.asyncProperty(hostileValue({ keys: [KEY.jwk] }), async (value) => {
        await parsesSoon(() => readJwks(value, log), Error);
        const key = await readJwk(value);
        expect(typeof key === 'string' || key.kid !== '').toBe(true);
      }),
    );
  });

  it('a pod has findings, or is not one', () => {
    const profile = compileProfile('p', 1, parseSpec('posture-profile', PROFILE));
    fc.assert(
      fc.property(hostileValue(POD), (value) => {
        const snapshot = {
          cluster: 'c1',
          name: 'prod/web',
          pod: new PodNode(value, ''),
          trust: NOTHING_SIGNED,
          evidenceOf: () => [],
        };
        expect(evaluate(profile, snapshot, NOW).findings).toEqual(expect.any(Array));
        parses(() => podsIn(value), MalformedJson);
      }),
      { numRuns: 500 },
    );
  });
});

describe('an encoding', () => {
  it('is decoded to the same name of a workload', () => {
    const segment = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,10}$/);
    fc.assert(
      fc.property(segment, segment, segment, (cluster, namespace, account) => {
        const id = `k8s://${cluster}/${namespace}/${account}`;
        const parsed = parseWorkloadId(id);
        expect(parsed && workloadId(workloadOf(parsed))).toBe(id);
      }),
    );
  });
});
