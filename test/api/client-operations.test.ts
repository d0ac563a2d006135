import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiError,
  bearer,
  BrokerClient,
  OPERATIONS,
  WorkloadSession,
  type CallId,
  type InputArguments,
} from '../../src/client/index.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { contractFault } from '../kit/api/openapi-contract.ts';
import { policy, RunningApi } from '../kit/api/running-api.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import { trivyReport } from '../kit/images/scanner-reports.ts';
import { until } from '../kit/backends/until.ts';

const CREATE = { 'If-None-Match': '*' } as const;
const PROOF = { id: 'a', clientDataJSON: 'a', authenticatorData: 'a', signature: 'a' };
const REPLACE = { 'If-Match': '*' } as const;
const POLICY = policy('app', ['app/**'], ['read', 'list', 'write']) as never;

/**
 * Operations that need an issuer of people, a backend, a configuration file or an object that this suite does not have; or `ask`
 * does not send them.
 */
const NO_SUCCESS = [
  'abortRotation approveAlert approveRequest archiveAudit beginPersonLogin beginSecurityKey',
  'createBackup createOperatorToken createSession deleteAttestation deleteCluster',
  'deleteEvidence deleteMount deletePolicy deletePostureProfile deleteResponseRule',
  'deleteRoleBinding denyRequest dismissAlert drillRotation endOwnLogin endPersonLogins',
  'endSession explainEntry finishPersonLogin finishSecurityKey followChanges followEvents issueCredential joinCluster',
  'liftQuarantine listBackups listPostureProfileVersions listResponseRuleVersions',
  'listRoleBindingVersions putRoleBinding confirmDocuments readApproval readAttestation readConfiguration',
  'readEvidence readIncident readKeyPage readKeyScript readPostureProfile',
  'readPublicCheckpoint readPublicTile readResponseRule readRoleBinding readSecret readTile',
  'receiveAlert reloadConfiguration removeSecurityKey renewSession retireKek retireRotation',
  'retryRevocation retryRotation rollBackRotation traceAudit withdrawRequest',
];

let directory: string;
let api: RunningApi;
let client: BrokerClient;
let admin: BrokerClient;
let session: WorkloadSession;
const succeeded = new Set<string>();
const called = new Set<string>([
  'followChanges',
  'followEvents',
  'createSession',
  'renewSession',
  'endSession',
]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-client-tls-'));
  const authority = new CertificateAuthority();
  const { cert, key } = authority.issue({ commonName: 'broker', ipAddresses: ['127.0.0.1'] });
  const tls = { certificateFile: join(directory, 'cert'), keyFile: join(directory, 'key') };
  await writeFile(tls.certificateFile, cert);
  await writeFile(tls.keyFile, key);
  api = await RunningApi.start({
    listener: { tls },
    connections: { fleet: { type: 'enrolled', hosts: ['127.0.0.1/32'] } },
  });
  client = new BrokerClient({ url: `https://127.0.0.1:${api.port}`, ca: authority.cert });
  admin = client.as(bearer(api.admin));
});
afterAll(async () => {
  client.close();
  await api.stop();
  await rm(directory, { recursive: true });
});

/** The status of an answer, or the code of a refusal; and the body. */
async function ask<Id extends CallId>(
  caller: BrokerClient,
  id: Id,
  ...input: InputArguments<Id>
): Promise<readonly [number | string, never]> {
  called.add(id);
  try {
    const { status, body, headers } = await caller.call(id, ...input);
    const { method, path } = OPERATIONS[id];
    const answered = { status, type: headers['content-type'], body: (body as unknown) ?? '' };
    expect(contractFault(method, path.replaceAll(/\{\w+\}/g, 'x'), answered)).toBeUndefined();
    succeeded.add(id);
    return [status, body as never];
  } catch (error) {
    if (error instanceof ApiError) return [error.code, undefined as never];
    throw error;
  }
}

async function expectAll(
  asked: readonly (readonly [Promise<readonly [unknown, unknown]>, unknown])[],
) {
  const got = await Promise.all(asked.map(async ([answer]) => (await answer)[0]));
  expect(got).toEqual(asked.map(([, expected]) => expected));
}

describe('the client over TLS', () => {
  it('runs the probe operations without a token', async () => {
    await expectAll([
      [ask(client, 'readRoot'), 200],
      [ask(client, 'readHealth'), 200],
      [ask(client, 'readReadiness'), 200],
      [ask(client, 'readMetrics'), 'ERR_UNAUTHENTICATED'],
      [ask(admin, 'readMetrics'), 200],
      [ask(client, 'readStatus'), 'ERR_UNAUTHENTICATED'],
      [ask(admin, 'readStatus'), 200],
      [ask(client, 'readOpenApi'), 200],
      [ask(client, 'readPublicCheckpoint'), 'ERR_NOT_FOUND'],
      [ask(client, 'readPublicTile', { path: { path: '0/000' } }), 'ERR_NOT_FOUND'],
    ]);
  });

  it('creates and ends the code with which a cluster enrols', async () => {
    const path = { name: 'fleet-1' };
    const spec = {
      connection: 'fleet',
      issuer: 'https://issuer.test',
      audiences: ['quaymaster'],
      apiServer: { url: 'https://127.0.0.1:1' },
    };
    await expectAll([[ask(admin, 'putCluster', { path, headers: CREATE, body: spec }), 201]]);
    const body = { code: `qme_${'x'.repeat(43)}`, token: 'a.b.c' };
    await expectAll([[ask(admin, 'enrollCluster', { path }), 201]]);
    await expectAll([
      [ask(admin, 'listEnrolments'), 200],
      [ask(client, 'joinCluster', { path, body }), 'ERR_TOKEN_INVALID'],
    ]);
    await expectAll([[ask(admin, 'endEnrolment', { path }), 204]]);
    await expectAll([[ask(admin, 'endEnrolment', { path }), 'ERR_NOT_FOUND']]);
  });

  it('creates, replaces, reads, lists and deletes documents', async () => {
    const cluster = {
      connection: 'keys',
      issuer: 'https://issuer.test',
      audiences: ['quaymaster'],
    };
    const named = (name: string) => ({ path: { name }, headers: CREATE });
    const mount = { prefix: 'app', connection: 'embedded' };
    const role = { grants: [{ role: 'auditor' as const }] };
    const app = { name: 'app' };
    await expectAll([
      [ask(admin, 'putCluster', { ...named('c1'), body: { ...cluster, podWatch: false } }), 201],
      [ask(admin, 'putMount', { ...named('app'), body: mount }), 201],
      [ask(admin, 'putPolicy', { ...named('app'), body: POLICY }), 201],
      [ask(admin, 'putOperator', { ...named('ann'), body: role }), 201],
    ]);
    await expectAll([
      [ask(admin, 'putPolicy', { path: app, headers: REPLACE, body: POLICY }), 200],
      [ask(admin, 'putMount', { path: app, headers: CREATE, body: mount }), 'ERR_VERSION_CONFLICT'],
      [ask(admin, 'readCluster', { path: { name: 'c1' } }), 200],
      [ask(admin, 'readMount', { path: app }), 200],
      [ask(admin, 'checkMount', { path: app }), 200],
      [ask(admin, 'checkCluster', { path: { name: 'c1' } }), 200],
      [ask(admin, 'readPolicy', { path: app }), 200],
      [ask(admin, 'readOperator', { path: { name: 'ann' } }), 200],
      [ask(admin, 'listClusters'), 200],
      [ask(admin, 'listMounts'), 200],
      [ask(admin, 'listPolicies', { query: { limit: 1 } }), 200],
      [ask(admin, 'listOperators'), 200],
      [ask(admin, 'listClusterVersions', { path: { name: 'c1' } }), 200],
      [ask(admin, 'listMountVersions', { path: app }), 200],
      [ask(admin, 'listPolicyVersions', { path: app }), 200],
      [ask(admin, 'listOperatorVersions', { path: { name: 'ann' } }), 200],
      [ask(admin, 'validatePolicy', { body: POLICY }), 200],
      [ask(admin, 'deleteCluster', { path: { name: 'none' }, headers: REPLACE }), 'ERR_NOT_FOUND'],
      [ask(admin, 'deletePolicy', { path: { name: 'none' }, headers: REPLACE }), 'ERR_NOT_FOUND'],
      [ask(admin, 'deleteMount', { path: { name: 'none' }, headers: REPLACE }), 'ERR_NOT_FOUND'],
    ]);
  });

  it('creates, shows and revokes operator tokens', async () => {
    const ann = { path: { name: 'ann' } };
    const { body } = await admin.call('createOperatorToken', { ...ann, body: { ttl: '1h' } });
    called.add('createOperatorToken');
    await expectAll([
      [ask(admin, 'listOperatorTokens', ann), 200],
      [ask(client.as(bearer(body.token)), 'readOwnToken'), 200],
      [ask(client.as(bearer(body.token)), 'listMounts'), 'ERR_DENIED'],
    ]);
    const token = { path: { name: 'ann', id: body.id } };
    await expectAll([[ask(admin, 'revokeOperatorToken', token), 204]]);
    await expectAll([[ask(admin, 'deleteOperator', { ...ann, headers: REPLACE }), 204]]);
  });

  it.each([false, true])('reads secrets and leases as a workload, sealed: %s', async (sealed) => {
    const login = { cluster: 'c1', token: api.serviceAccountToken(), sealed };
    session = await WorkloadSession.logIn(client, login);
    const at = { path: { path: `app/db-${sealed}` } };
    const body = { data: { password: 'p' } };
    const me = session.client;
    await expectAll([[ask(me, 'writeSecret', { ...at, headers: CREATE, body }), 201]]);
    const read = await me.call('readSecret', at);
    called.add('readSecret');
    expect(read.body).toMatchObject({ version: '1', data: { password: 'p' } });
    const lease = { path: { id: read.body.lease?.id ?? '' } };
    const used = { items: [{ path: at.path.path, version: '1' }] };
    await expectAll([
      [ask(me, 'readSession'), 200],
      [ask(me, 'readSecrets', { body: { items: [at.path] } }), 200],
      [ask(me, 'listSecrets', { query: { prefix: 'app' } }), 200],
      [ask(me, 'listSecretVersions', at), 200],
      [ask(me, 'acknowledge', { body: used }), 200],
      [ask(me, 'readLease', lease), 200],
      [ask(me, 'renewLease', { ...lease, body: {} }), 200],
      [
        ask(me, 'issueCredential', { ...at, headers: { 'Idempotency-Key': 'k' }, body: {} }),
        'ERR_CONFLICT',
      ],
      [ask(me, 'patchSecret', { ...at, body }), 200],
      [ask(me, 'describeSecret', { ...at, body: { customMetadata: { owner: 'pay' } } }), 200],
    ]);
    await session.renew(api.serviceAccountToken());
    const ending = new AbortController();
    const events = me.events({ signal: ending.signal });
    expect((await events.next()).value).toMatchObject({ event: 'ready' });
    await expectAll([[ask(me, 'releaseLease', lease), 204]]);
    expect((await events.next()).value).toMatchObject({ event: 'leases.changed' });
    await events.return(undefined);
    await session.end();
    await expectAll([[ask(me, 'readSession'), 'ERR_UNAUTHENTICATED']]);
  });

  it('runs the operations on rotations and definitions as an operator', async () => {
    const at = { path: { path: 'app/db-true' } };
    const rotation = { strategy: 'generated', options: { keys: { password: {} } } };
    await expectAll([
      [ask(admin, 'putDefinition', { ...at, headers: CREATE, body: { rotation } }), 201],
    ]);
    await expectAll([
      [ask(admin, 'readDefinition', at), 200],
      [ask(admin, 'listDefinitions'), 200],
      [ask(admin, 'listDefinitionVersions', at), 200],
      [ask(admin, 'listRotations', { query: { overdue: false } }), 200],
      [ask(admin, 'readRotation', at), 200],
      [ask(admin, 'readRotationHistory', at), 200],
      [ask(admin, 'retryRotation', { ...at, body: {} }), 'ERR_CONFLICT'],
      [ask(admin, 'abortRotation', { ...at, body: {} }), 'ERR_CONFLICT'],
      [ask(admin, 'rollBackRotation', { ...at, body: {} }), 'ERR_CONFLICT'],
      [ask(admin, 'retireRotation', { ...at, body: {} }), 'ERR_CONFLICT'],
      [ask(admin, 'runRotation', { ...at, body: { comment: 'now' } }), 202],
    ]);
    const [answer] = await ask(admin, 'drillRotation', { ...at, body: {} });
    expect([202, 'ERR_CONFLICT']).toContain(answer);
    const other = { path: { path: 'app/db-false' } };
    await admin.call('putDefinition', { ...other, headers: CREATE, body: { leaseTtl: '5m' } });
    await expectAll([[ask(admin, 'deleteDefinition', { ...other, headers: REPLACE }), 204]]);
    await expectAll([
      [ask(admin, 'deleteSecret', other), 200],
      [ask(admin, 'undeleteSecret', { ...other, body: {} }), 200],
      [ask(admin, 'destroySecret', { ...other, body: { versions: ['1'] } }), 204],
    ]);
  });

  it('runs the operations of an investigation: search, prove and revoke', async () => {
    const workload = { cluster: 'c1', namespace: 'prod', serviceAccount: 'api' };
    const question = {
      workload,
      capability: 'read' as const,
      path: 'app/db',
      sourceAddress: '127.0.0.1',
    };
    await expectAll([
      [ask(admin, 'listLeases', { query: { path: 'app', state: 'ended' } }), 200],
      [ask(admin, 'revokeLeases', { body: { by: 'path', path: 'app' } }), 200],
      [ask(admin, 'listRevocations', { query: { state: 'irrevocable' } }), 200],
      [ask(admin, 'retryRevocation', { path: { id: 'crd_none' } }), 'ERR_NOT_FOUND'],
      [ask(admin, 'explainDecision', { body: question }), 200],
      [ask(admin, 'explainEntry', { body: { index: 0 } }), 'ERR_REQUEST_INVALID'],
      [ask(admin, 'replayPolicies', { body: { from: '2020-01-01T00:00:00Z' } }), 200],
      [
        ask(admin, 'searchAudit', { query: { pathPrefix: 'app', from: '2020-01-01T00:00:00Z' } }),
        200,
      ],
      [ask(admin, 'listReceivers', { query: { path: 'app/one' } }), 200],
      [ask(admin, 'traceAudit', { body: { data: { password: 'p' } } }), 'ERR_DENIED'],
      [ask(admin, 'proveEntry', { path: { index: 0 } }), 200],
      [ask(admin, 'readCheckpoint'), 200],
      [ask(admin, 'readLogKey'), 200],
      [ask(admin, 'listHeads', { query: { start: 0 } }), 200],
      [ask(admin, 'readTile', { path: { path: '7/000' } }), 'ERR_NOT_FOUND'],
      [ask(admin, 'readArchive'), 200],
      [ask(admin, 'listArchiveObjects', { query: { start: 0 } }), 200],
      [ask(admin, 'archiveAudit', { body: { reason: 'test', dryRun: true } }), 'ERR_CONFLICT'],
    ]);
    let found: number[] = [];
    // The search covers only entries in the tree, which is at most one second behind.
    await until('three pages are there', async () => {
      found = [];
      for await (const { index } of admin.pages('searchAudit', { query: { limit: 15 } })) {
        found.push(index);
      }
      return found.length > 30;
    });
    expect(new Set(found).size).toBe(found.length);
  });

  it('runs the operations of people at a broker without an issuer of people', async () => {
    const named = { path: { name: 'platform' } };
    const binding = { issuer: 'corp', subjects: ['a'], grants: [{ role: 'auditor' as const }] };
    const create = { ...named, body: binding, headers: CREATE };
    await expectAll([
      [ask(admin, 'beginPersonLogin', { body: { issuer: 'corp' } }), 'ERR_NOT_FOUND'],
      [ask(admin, 'finishPersonLogin', { body: { login: 'x' } }), 'ERR_TOKEN_INVALID'],
      [ask(admin, 'endOwnLogin'), 'ERR_NOT_FOUND'],
      [ask(admin, 'endPersonLogins', { body: { person: 'oidc:corp/a' } }), 'ERR_NOT_FOUND'],
      [ask(client, 'readKeyPage'), 'ERR_NOT_FOUND'],
      [ask(client, 'readKeyScript'), 'ERR_NOT_FOUND'],
      [ask(admin, 'listSecurityKeys'), 200],
      [ask(admin, 'beginSecurityKey', { body: { purpose: 'prove' } }), 'ERR_DENIED'],
      [ask(admin, 'finishSecurityKey', { body: PROOF }), 'ERR_DENIED'],
      [ask(admin, 'removeSecurityKey', { path: { id: 'key_1' }, body: {} }), 'ERR_NOT_FOUND'],
      [ask(admin, 'putRoleBinding', create), 'ERR_BODY_INVALID'],
      [ask(admin, 'listRoleBindings'), 200],
      [ask(admin, 'readRoleBinding', named), 'ERR_NOT_FOUND'],
      [ask(admin, 'listRoleBindingVersions', named), 'ERR_NOT_FOUND'],
      [ask(admin, 'deleteRoleBinding', { ...named, headers: REPLACE }), 'ERR_NOT_FOUND'],
    ]);
  });

  it('applies several documents in one request', async () => {
    const document = JSON.stringify({ prefix: 'several', connection: 'embedded' });
    const documents = [
      { kind: 'mount' as const, name: 'several', ifNoneMatch: '*' as const, document },
    ];
    await expectAll([[ask(admin, 'applyDocuments', { body: { documents } }), 200]]);
  });

  it('runs the operations of posture profiles', async () => {
    const named = { path: { name: 'pinned' } };
    const absent = { path: { name: 'absent' } };
    const body = { mode: 'enforce' as const, image: { digest: 'pinned' as const } };
    const match = { clusters: ['other'] };
    const place = { cluster: 'c1', namespace: 'prod' };
    await expectAll([
      [
        ask(admin, 'putPostureProfile', { ...named, headers: CREATE, body: { ...body, match } }),
        201,
      ],
      [ask(admin, 'listPostureProfiles'), 200],
      [ask(admin, 'readPostureProfile', absent), 'ERR_NOT_FOUND'],
      [ask(admin, 'listPostureProfileVersions', absent), 'ERR_NOT_FOUND'],
      [ask(admin, 'explainPosture', { body: { ...place, pod: 'web' } }), 200],
      [ask(admin, 'surveyPosture', { body }), 200],
      [ask(admin, 'deletePostureProfile', { ...absent, headers: REPLACE }), 'ERR_NOT_FOUND'],
    ]);
    const image = `sha256:${'a'.repeat(64)}`;
    const none = { path: { id: 'att_none' } };
    const attestation = new ImageSigner().bundle(image) as Record<string, unknown>;
    await expectAll([
      [ask(admin, 'pushAttestation', { body: { digest: image, attestation } }), 201],
      [ask(admin, 'pushAttestation', { body: { attestation } }), 200],
      [ask(admin, 'listAttestations', { query: { digest: image } }), 200],
      [ask(admin, 'readAttestation', none), 'ERR_NOT_FOUND'],
      [ask(admin, 'deleteAttestation', none), 'ERR_NOT_FOUND'],
    ]);
  });

  it('runs the operations of alerts and response rules', async () => {
    const absent = { path: { name: 'absent' } };
    const unknown = { path: { id: 'alr_none' } };
    const rule = { action: 'audit' as const };
    const wish = {
      kind: 'workload' as const,
      workload: 'k8s://c1/prod/none',
      reason: 'INC-1',
      since: '2026-01-01T00:00:00Z',
      dryRun: true,
    };
    await expectAll([
      [
        ask(admin, 'putResponseRule', { path: { name: 'shells' }, headers: CREATE, body: rule }),
        201,
      ],
      [ask(admin, 'listResponseRules'), 200],
      [ask(admin, 'readResponseRule', absent), 'ERR_NOT_FOUND'],
      [ask(admin, 'listResponseRuleVersions', absent), 'ERR_NOT_FOUND'],
      [ask(admin, 'deleteResponseRule', { ...absent, headers: REPLACE }), 'ERR_NOT_FOUND'],
      [ask(admin, 'receiveAlert', { ...absent, body: {} }), 'ERR_UNAUTHENTICATED'],
      [ask(admin, 'listAlertSources'), 200],
      [ask(admin, 'listAlerts', { query: { state: 'pending' } }), 200],
      [ask(admin, 'approveAlert', { ...unknown, body: {} }), 'ERR_NOT_FOUND'],
      [ask(admin, 'dismissAlert', { ...unknown, body: {} }), 'ERR_NOT_FOUND'],
      [ask(admin, 'openIncident', { body: wish }), 200],
      [ask(admin, 'readIncident', unknown), 'ERR_NOT_FOUND'],
    ]);
  });

  it('runs the operations of incident response: quarantine and seal', async () => {
    const scope = { kind: 'pod' as const, cluster: 'c1', pod: 'none' };
    await expectAll([
      [ask(admin, 'listSessions', { query: { cluster: 'c1', source: '127.0.0.0/8' } }), 200],
      [ask(admin, 'endSessions', { body: { by: 'cluster', cluster: 'c1' } }), 200],
      [ask(admin, 'createQuarantine', { body: { ...scope, reason: 'INC-7' } }), 200],
      [ask(admin, 'listQuarantines'), 200],
      [
        ask(admin, 'liftQuarantine', { path: { id: 'qua_none' }, query: { reason: 'over' } }),
        'ERR_NOT_FOUND',
      ],
    ]);
    const none = { path: { id: 'apr_none' } };
    const reader = { role: 'secret-reader' as const, scope: ['app'], reason: 'INC-7' };
    await expectAll([
      [ask(admin, 'requireApprovals', { body: { required: [] } }), 200],
      [ask(admin, 'requestBreakGlass', { body: reader }), 201],
      [ask(admin, 'listApprovals'), 200],
      [ask(admin, 'readApproval', none), 'ERR_NOT_FOUND'],
      [ask(admin, 'approveRequest', { ...none, body: {} }), 'ERR_NOT_FOUND'],
      [
        ask(admin, 'confirmDocuments', {
          ...none,
          body: { documents: [{ kind: 'policy', name: 'all', version: 1 }] },
        }),
        'ERR_NOT_FOUND',
      ],
      [ask(admin, 'denyRequest', { ...none, body: { reason: 'no' } }), 'ERR_NOT_FOUND'],
      [ask(admin, 'withdrawRequest', none), 'ERR_NOT_FOUND'],
    ]);
    const report = JSON.stringify(trivyReport());
    await expectAll([
      [ask(admin, 'pushEvidence', { body: { report } }), 200],
      [ask(admin, 'listEvidence'), 200],
      [ask(admin, 'readEvidence', { path: { id: 'evi_none' } }), 'ERR_NOT_FOUND'],
      [ask(admin, 'deleteEvidence', { path: { id: 'evi_none' } }), 'ERR_NOT_FOUND'],
    ]);
    await expectAll([
      [ask(admin, 'readKeys'), 200],
      [ask(admin, 'rotateKeys', { body: { reason: 'yearly' } }), 202],
      [ask(admin, 'retireKek', { body: { kek: 'none', reason: 'test' } }), 'ERR_NOT_FOUND'],
    ]);
    await expectAll([[ask(admin, 'createBackup'), 'ERR_CONFLICT']]);
    await expectAll([[ask(admin, 'listBackups'), 'ERR_CONFLICT']]);
    const checks = [{ name: 'restore', state: 'ok' as const }];
    await expectAll([[ask(admin, 'recordDrill', { body: { checks } }), 204]]);
    await expectAll([[ask(admin, 'readConfiguration'), 'ERR_CONFLICT']]);
    await expectAll([[ask(admin, 'reloadConfiguration'), 'ERR_CONFLICT']]);
    await expectAll([[ask(admin, 'seal', { body: { reason: 'INC-9' } }), 200]]);
    await expectAll([[ask(admin, 'listQuarantines'), 'ERR_SEALED']]);
  });

  it('has a successful answer that matches the contract, except from the operations that need another broker or object', () => {
    const excepted = NO_SUCCESS.join(' ').split(' ');
    const without = Object.keys(OPERATIONS).filter((id) => !succeeded.has(id));
    expect(without.filter((id) => !excepted.includes(id))).toEqual([]);
  });

  it('covers all operations of the contract', () => {
    expect([...called].sort()).toEqual(Object.keys(OPERATIONS).sort());
  });
});
