import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Rooms that handle what callers send or store. */
const ROOMS = /^(?:api|auth|broker|domain)\//;
/** Functions whose name says that they parse, and whose first parameter is text, bytes or a value that was not checked. */
const PARSER =
  /^export (?:async )?function ((?:parse|decode|read|open)[A-Z]\w*)(?:<[^(]*>)?\(\s*(\w+|\{[^}]*\}): (?:readonly )?(?:string|unknown|Uint8Array|Buffer|JsonObject|JsonNode|Segment|IncomingMessage|IncomingHttpHeaders|Readonly<Record<string)/gm;
const EVALUATION =
  /^export (?:async )?function ((?:judge|evaluate|explain|survey|compile|summarize|pack|match)(?:[A-Z]\w*)?)\b/gm;
/** Parameters of type text that are names: of a file, an option or a connection. */
const NAMES = ['file', 'name', 'option', 'path'];

interface Work {
  /** The name of the work in docs/performance.md. */
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
      'api/request/body/parse-body.ts parseJson',
      'api/request/body/parse-body.ts parseYaml',
      'api/request/body/parse-texts.ts parseTexts',
      'api/request/body/read-body.ts readBody',
      'domain/text/json-members.ts parseMembers',
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
      'broker/attestations/parse-attestation.ts parseAttestation',
      'broker/attestations/read-attestation.ts readContent',
    ],
  },
  {
    work: 'evaluations of a pod',
    bytes: '64 reports of 64 KiB, 500 containers',
    ms: '90 ms',
    functions: [
      'broker/posture/explain-posture.ts explainPosture',
      'broker/posture/judge-posture.ts judgePod',
      'broker/posture/judge-posture.ts judgePosture',
      'broker/posture/report-summary.ts openSummary',
      'broker/posture/survey-posture.ts surveyPosture',
      'domain/posture/evaluate.ts evaluate',
      'domain/posture/image-trust.ts judgeTrust',
    ],
  },
  {
    work: 'reports of scanners',
    bytes: '1 MiB, 50,000 findings',
    ms: 'thread',
    functions: [
      'broker/posture/pack-report.ts packReport',
      'broker/posture/report-summary.ts packSummary',
      'broker/posture/report-summary.ts summarizeEarlier',
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

  it('have the same bounds in docs/performance.md', () => {
    const page = readFileSync(join(ROOT, 'docs/performance.md'), 'utf8');
    const rows = WORK.map(({ work, bytes, ms }) => `| ${work} | ${bytes} | ${ms} |`);
    expect(rows.filter((row) => !page.includes(row))).toEqual([]);
  });

  it.each([
    ['packReport', ['broker/posture/report-thread.ts']],
    ['readContent', ['broker/attestations/attestation-thread.ts']],
    // The memory parses rows of earlier releases at the start, and small bodies within the bound of an evaluation.
    [
      'parseAttestation',
      ['broker/attestations/attestation-memory.ts', 'broker/attestations/read-attestation.ts'],
    ],
    // The catalog and the check of a profile read roots of policy-editors.
    [
      'TrustRoot',
      ['broker/attestations/read-attestation.ts', 'broker/documents/check-references.ts'],
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
