import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Rooms that handle what callers send or store. */
const ROOMS =
  /^(?:api|auth|broker|domain|features\/(?!copies\/)[^/]+|rotation)\/|^crypto\/certificates\/svid|^net\/https\/parse-json/;
/** Functions whose name says that they parse, and whose first parameter is text, bytes or a value that was not checked. */
const PARSER =
  /^export (?:async )?function ((?:parse|decode|read|open)[A-Z]\w*)(?:<[^(]*>)?\(\s*(\w+|\{[^}]*\}): (?:readonly )?(?:string|unknown|Uint8Array|Buffer|JsonObject|JsonNode|Segment|IncomingMessage|IncomingHttpHeaders|Readonly<Record<string)/gm;
const EVALUATION =
  /^export (?:async )?function ((?:judge|evaluate|explain|survey|compile|summarize|pack|match)(?:[A-Z]\w*)?)\b/gm;
/** Calls that parse, in rooms that run on the event loop. */
const PRIMITIVE =
  /\bJSON\.parse\(|\bnew X509Certificate\(|\bcreatePublicKey\(|\bzstdDecompressSync\(|\bimportJWK\(|\bimport\('js-yaml'\)|\bbundleFromJSON\(/;
const PRIMITIVE_ROOMS =
  /^(?:api|auth|broker|crypto|domain|features\/(?!copies\/)[^/]+|net|rotation)\//;
/** Parameters of type text that are names: of a file, an option or a connection. */
const NAMES = ['file', 'name', 'option', 'path'];

interface Work {
  /** The name of the work in internals/measurements/event-loop.md. */
  readonly work: string;
  /** Limit of one input. */
  readonly bytes: string;
  /** Processor time of the worst input within the limit, measured once; "thread" for work outside of the event loop. */
  readonly ms: string;
  readonly functions: readonly string[];
}

const WORK: readonly Work[] = [
  {
    work: 'headers, tokens and proofs',
    bytes: '16 KiB',
    ms: '1 ms',
    functions: [
      'api/answer/entity-tag.ts readPreconditions',
      'api/request/bearer.ts readBearer',
      'api/request/query.ts parseQuery',
      'auth/jwt/compact-token.ts parseCompactToken',
      'auth/jwt/oidc-claims.ts readOidcClaims',
      'auth/jwt/token-claims.ts readAudiences',
      'auth/jwt/token-claims.ts readTimes',
      'auth/jwt/token-claims.ts readTokenClaims',
      'auth/jwt/token-claims.ts readTokenId',
      'auth/jwt/token-header.ts readTokenHeader',
      'auth/people/id-token.ts readIdToken',
      'broker/access/read-proof.ts readProof',
      'broker/access/read-proof.ts readProofHeader',
      'domain/identity/compact-jws.ts parseCompactJws',
    ],
  },
  {
    work: 'names, times and addresses',
    bytes: '4 KiB',
    ms: '1 ms',
    functions: [
      'domain/identity/spiffe-id.ts parseSpiffeId',
      'domain/identity/workload.ts parseWorkloadId',
      'domain/network/cidr.ts parseCidr',
      'domain/network/ip-address.ts parseIpAddress',
      'domain/policy/duration.ts parseDuration',
      'domain/rotation/canary-stage.ts openCanaryStage',
      'domain/time/time-window.ts parseTimeOfDay',
      'domain/words/names.ts parseNewPath',
      'domain/words/names.ts parseSecretPath',
    ],
  },
  {
    work: 'bodies of requests',
    bytes: '2 MiB, 20,000 values',
    ms: '30 ms',
    functions: [
      'api/request/body/parse-texts.ts parseTexts',
      'api/request/body/read-body.ts readBody',
      'api/vault/read-request.ts readRequest',
      'domain/text/json-members.ts parseMembers',
      'domain/text/parse-body.ts decodeBody',
      'domain/text/parse-body.ts parseJson',
      'domain/text/parse-body.ts parseYaml',
      'domain/text/strict-json.ts parseStrictObject',
      'domain/text/strict-yaml.ts readOneYaml',
      'domain/text/strict-yaml.ts readYaml',
    ],
  },
  {
    work: 'documents',
    bytes: '512 KiB',
    ms: '15 ms',
    functions: [
      'broker/model/schema.ts parseOperatorToken',
      'domain/policy/compiled-policies.ts compilePolicies',
      'domain/policy/compiled-policy.ts compilePolicy',
      'domain/policy/compiled-policy.ts compileSaved',
      'domain/policy/parse-policy.ts parsePolicy',
      'domain/policy/parse-policy.ts parsePolicySubjects',
      'domain/policy/parse-policy.ts readSubjects',
      'domain/posture/image-trust.ts compileTrust',
      'domain/posture/profile.ts compileProfile',
      'domain/posture/witnesses.ts compileWitnesses',
    ],
  },
  {
    // A policy-editor saves them. No function with such a name reads them.
    work: 'roots of trust in a profile',
    bytes: '64 KiB each',
    ms: '140 ms',
    functions: [],
  },
  {
    work: 'decisions on a path',
    bytes: '64 KiB of policies for a caller',
    ms: '1 ms',
    functions: [
      'api/request/explain-refusal.ts explainRefusal',
      'api/request/judge-request.ts judgePath',
      'api/request/judge-request.ts judgeRequest',
      'broker/access/explain-steps.ts explainSteps',
      'broker/access/judge.ts judge',
      'broker/decisions/explain-entry.ts explainEntry',
      'broker/decisions/policies.ts explainDecision',
      'broker/leases/renew-lease.ts judgeRenewal',
      'broker/recording/evidence-writers.ts judgeWriter',
      'broker/recording/judge-target.ts judgeTarget',
      'domain/policy/explain.ts explain',
    ],
  },
  {
    work: 'objects of a cluster',
    bytes: '1.5 MiB',
    ms: '15 ms',
    functions: [
      'auth/namespace-watch/network-policy.ts readNetworkPolicy',
      'auth/pod-watch/observed-pod.ts readPod',
      'auth/token-review/reviewed-user.ts readReviewedUser',
      'auth/watch/watch-event.ts readWatchEvent',
      'domain/alerts/match-pod.ts matchPod',
    ],
  },
  {
    work: 'certificates of callers',
    bytes: '100 KB each, 8 of a chain',
    ms: '40 ms',
    functions: ['crypto/certificates/svid.ts readLeaf'],
  },
  {
    work: 'answers of backends and issuers',
    bytes: '8 MiB, 250,000 values',
    ms: '150 ms',
    functions: ['net/https/parse-json.ts parseJson'],
  },
  {
    work: 'keys of an issuer',
    bytes: '256 KiB',
    ms: '5 ms',
    functions: ['auth/jwks/read-jwks.ts readJwk', 'auth/jwks/read-jwks.ts readJwks'],
  },
  {
    work: 'signatures and attestations',
    bytes: '1 MiB, 100,000 values, 64 KiB of certificates',
    ms: 'thread',
    functions: [
      'features/attestations/parse-attestation.ts parseAttestation',
      'features/attestations/parse-attestation.ts parsePushedAttestation',
      'features/attestations/read-attestation.ts readContent',
      'broker/kernel/read-pushed.ts readPushed',
    ],
  },
  {
    work: 'evaluations of a pod',
    bytes: '64 reports of 64 KiB, 50 ms of signatures, 500 containers',
    ms: '140 ms',
    functions: [
      'features/posture/explain-posture.ts explainPosture',
      'features/posture/judge-posture.ts judgePod',
      'features/posture/judge-posture.ts judgePosture',
      'features/posture/report-summary.ts openSummary',
      'features/posture/survey-posture.ts surveyPosture',
      'domain/posture/evaluate.ts evaluate',
      'domain/posture/image-trust.ts judgeTrust',
    ],
  },
  {
    work: 'reports of scanners',
    bytes: '1 MiB, 50,000 findings',
    ms: 'thread',
    functions: [
      'features/posture/pack-report.ts packReport',
      'features/posture/pack-report.ts parsePushedReport',
      'features/posture/report-summary.ts packSummary',
      'domain/posture/reports/clair.ts readClair',
      'domain/posture/reports/cyclonedx.ts readCycloneDx',
      'domain/posture/reports/grype.ts readGrype',
      'domain/posture/reports/openvex.ts readOpenVex',
      'domain/posture/reports/read-report.ts readReport',
      'domain/posture/reports/trivy-operator.ts readTrivyOperator',
      'domain/posture/reports/trivy.ts readTrivy',
    ],
  },
];

const OWN = 'text that the broker wrote: a row, an entry of its log, its own key';

/** Each file that uses a primitive, with the work above that bounds its input. */
const INPUTS: Readonly<Record<string, string>> = {
  'api/answer/second-factor-page.ts': 'a script for the browser',
  'api/request/counted-login.ts': 'headers, tokens and proofs',
  // A body of a push, which was bounded as the body of a request.
  'features/attestations/routes.ts': 'bodies of requests',
  'auth/jwks/read-jwks.ts': 'keys of an issuer',
  'auth/pod-watch/kept-manifest.ts': 'objects of a cluster',
  'features/alerts/alert-record.ts': OWN,
  'features/alerts/held-alerts.ts': OWN,
  'features/alerts/timeline.ts': OWN,
  'features/approvals/approval-memory.ts': OWN,
  'features/attestations/attestation-memory.ts': 'evaluations of a pod',
  'features/attestations/read-attestation.ts': 'signatures and attestations',
  'features/custom-resources/namespace-uids.ts': OWN,
  'broker/decisions/explain-entry.ts': OWN,
  'broker/decisions/replay.ts': OWN,
  'features/enrolments/request-token.ts': 'headers, tokens and proofs',
  'broker/keys/rewrap-report.ts': OWN,
  'broker/model/document.ts': OWN,
  'features/posture/evidence-bounds.ts': OWN,
  'features/posture/evidence-rows.ts': OWN,
  'features/posture/evidence.ts': OWN,
  'features/posture/report-summary.ts': 'evaluations of a pod',
  'features/posture/report-text.ts': 'reports of scanners',
  'rotation/canary-values.ts': OWN,
  'rotation/rotation-row.ts': OWN,
  'broker/sessions/pod-endings.ts': OWN,
  'broker/state/cursor.ts': OWN,
  'broker/state/operator-token-memory.ts': OWN,
  'broker/state/security-key-rows.ts': OWN,
  'broker/state/select-sessions.ts': OWN,
  'broker/state/session-memory.ts': OWN,
  'broker/state/value-cache.ts': OWN,
  'broker/upkeep/receivers.ts': OWN,
  'crypto/certificates/certificate-facts.ts': 'certificates of callers',
  'crypto/certificates/svid.ts': 'certificates of callers',
  'crypto/keys/key-pair.ts': OWN,
  'crypto/keys/sender-key.ts': 'headers, tokens and proofs',
  'crypto/signatures/image-signature.ts': 'evaluations of a pod',
  'crypto/signatures/keyless-signature.ts': 'signatures and attestations',
  'crypto/signatures/signing.ts': OWN,
  'domain/audit/formats/log-record.ts': OWN,
  'domain/audit/logged-decision.ts': OWN,
  'domain/notifications/notification.ts': OWN,
  'domain/rotation/canary-stage.ts': OWN,
  'domain/text/parse-body.ts': 'bodies of requests',
  'domain/text/duplicate-names.ts': 'bodies of requests',
  'domain/text/streamed-json.ts': 'bodies of requests',
  'domain/text/strict-json.ts': 'bodies of requests',
  'domain/text/strict-yaml.ts': 'bodies of requests',
  'net/https/parse-json.ts': 'answers of backends and issuers',
};

function found(): readonly string[] {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts') && ROOMS.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, 'src', file), 'utf8');
      const parsers = [...text.matchAll(PARSER)].filter(([, , name = '']) => !NAMES.includes(name));
      return [...parsers, ...text.matchAll(EVALUATION)].map(([, name]) => `${file} ${name}`);
    });
}

describe('parsers and evaluations of what callers send or store', () => {
  it('are listed with their bounds', () => {
    const listed = WORK.flatMap(({ functions }) => functions);
    const all = found();
    expect(all.filter((each) => !listed.includes(each))).toEqual([]);
    expect(listed.filter((each) => !all.includes(each))).toEqual([]);
  });

  it('are the only users of parsing functions besides those that read what the broker wrote', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const users = files.filter(
      (file) =>
        file.endsWith('.ts') &&
        PRIMITIVE_ROOMS.test(file) &&
        PRIMITIVE.test(readFileSync(join(ROOT, 'src', file), 'utf8')),
    );
    expect(users.filter((file) => !Object.hasOwn(INPUTS, file))).toEqual([]);
    expect(Object.keys(INPUTS).filter((file) => !users.includes(file))).toEqual([]);
    const works = [...WORK.map(({ work }) => work), OWN, 'a script for the browser'];
    expect(Object.values(INPUTS).filter((input) => !works.includes(input))).toEqual([]);
  });

  it('have the same bounds in internals/measurements/event-loop.md', () => {
    const page = readFileSync(join(ROOT, 'internals/measurements/event-loop.md'), 'utf8');
    const rows = WORK.map(({ work, bytes, ms }) => `| ${work} | ${bytes} | ${ms} |`);
    expect(rows.filter((row) => !page.includes(row))).toEqual([]);
  });

  it.each([
    ['packReport', ['features/posture/report-thread.ts']],
    ['readContent', ['features/attestations/attestation-thread.ts']],
    [
      'readPushed',
      ['features/attestations/attestation-thread.ts', 'features/posture/report-thread.ts'],
    ],
    // The memory parses rows of earlier releases at the start, and small bodies within the bound of an evaluation.
    [
      'parseAttestation',
      ['features/attestations/attestation-memory.ts', 'features/attestations/read-attestation.ts'],
    ],
    // The check of a profile reads the roots that policy-editors write.
    [
      'TrustRoot',
      ['broker/documents/check-references.ts', 'features/attestations/read-attestation.ts'],
    ],
  ])('calls %s, whose work is for a thread, only there', (name, expected) => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const imports = new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\}`);
    const importers = files.filter(
      (file) => file.endsWith('.ts') && imports.test(readFileSync(join(ROOT, 'src', file), 'utf8')),
    );
    expect(importers.sort()).toEqual(expected);
  });
});
