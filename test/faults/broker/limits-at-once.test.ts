import { afterEach, expect, it } from '@jest/globals';
import { approve, requestElevation } from '../../../src/features/approvals/approvals.ts';
import { pushAttestation } from '../../../src/features/attestations/attestations.ts';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import { pushEvidence } from '../../../src/features/posture/evidence.ts';
import { Turns } from '../../../src/broker/kernel/turns.ts';
import { evidenceRow } from '../../../src/features/posture/evidence-rows.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { wrapAnswer } from '../../../src/broker/secrets/wrapped-answers.ts';
import { beginLogin, finishLogin } from '../../../src/broker/sessions/people.ts';
import type { Limits } from '../../../src/broker/state/dependencies.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import type { ErrorCode } from '../../../src/domain/errors.ts';
import type { TableName } from '../../../src/ports/store.ts';
import type { PeopleIssuer } from '../../../src/ports/people.ts';
import { pushedBody } from '../../kit/api/pushed-body.ts';
import { codeOf, policy, TestBroker } from '../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { countRows } from '../../kit/store/table-rows.ts';

/** Requests of one moment: more than any part of the broker decides one after the other. */
const AT_ONCE = 60;
const REDIRECT = 'http://127.0.0.1:4711/callback';

interface LimitCase {
  readonly limit: number;
  /** Rows beyond the limit that a second broker may store: it knows the rows of the first, but not the requests in flight there. A read or login waits for no fence. */
  readonly ofSecond: number;
  /** The code of requests beyond the limit. */
  readonly refusal: ErrorCode;
  readonly table: TableName;
  readonly limits?: Partial<Limits>;
  /** Fills the store up to a few rows below the limit. Rows of the table before it do not count. */
  readonly prepare?: (broker: TestBroker) => Promise<unknown>;
  readonly request: (broker: TestBroker, at: number) => Promise<unknown>;
}

let opened: TestBroker[] = [];
afterEach(async () => {
  const [first, ...peers] = opened;
  opened = [];
  for (const peer of peers) await peer.leave();
  await first?.close();
});

const digestOf = (at: number): string => `sha256:${at.toString(16).padStart(64, '0')}`;
const IMAGE = digestOf(0);
const signer = new ImageSigner();

/** The operator as a request to this broker finds it. */
async function operatorAt({ parts, operatorTokens }: TestBroker, name: string) {
  return (await parts.tokens.find(operatorTokens.get(name) ?? '', parts.catalog)) as LiveOperator;
}

let session = '';
async function sessionAt({ parts }: TestBroker): Promise<LiveSession> {
  return (await parts.sessions.find(session)) as LiveSession;
}
const openSession = async (broker: TestBroker): Promise<void> => {
  session = (await broker.openSession()).token;
};

async function push(broker: TestBroker, scanner: string, image: string): Promise<unknown> {
  const report = JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { tools: { components: [{ name: scanner }] } },
    vulnerabilities: [{ id: 'CVE-1', ratings: [{ severity: 'low' }], affects: [{ ref: 'p' }] }],
  });
  const body = pushedBody({ report, image: [image] });
  return pushEvidence(broker.parts, broker.call(), await operatorAt(broker, 'writer'), body);
}

async function sign(broker: TestBroker, at: number, image: string): Promise<unknown> {
  const attestation = signer.bundle(image, 'https://example.test/scan', { at });
  const writer = await operatorAt(broker, 'writer');
  return pushAttestation(broker.parts, broker.call(), writer, pushedBody({ attestation }));
}

const addWriter = (broker: TestBroker): Promise<unknown> =>
  broker.operator('writer', [{ role: 'evidence-writer' }]);

async function storeReports(broker: TestBroker, count: number): Promise<void> {
  await addWriter(broker);
  const now = broker.clock.now();
  const facts = { kind: 'secrets', scannerVersion: '', config: undefined, scope: [] } as const;
  for (let from = 0; from < count; from += 500) {
    const writes = Array.from({ length: Math.min(500, count - from) }, (_, at) => {
      const digests = [digestOf(1_000_000 + from + at)];
      const times = { reportedAt: now, receivedAt: now };
      const own = { ...facts, ...times, scanner: 's', writer: 'writer', digests };
      return { table: 'image_evidence' as const, put: evidenceRow(own, { findings: [] }) };
    });
    await broker.store.real.commit({ writes });
  }
  await broker.parts.evidence.load();
}

const TIMES = { sessionSeconds: 3_600, idleSeconds: 3_600, securityKeys: undefined };

/** Adds an issuer that answers at once. */
function addIssuer({ parts }: TestBroker): void {
  let logins = 0;
  const issuer: PeopleIssuer = {
    url: 'https://corp.test',
    secondFactor: 'issuer',
    allowsDeviceLogin: true,
    beginCode: (redirectUri) => {
      logins += 1;
      const flow = { redirectUri, state: 's', nonce: `n${logins}`, verifier: 'v' };
      return Promise.resolve({ flow, address: 'https://corp.test/authorize' });
    },
    finishCode: () => Promise.resolve({ subject: 'alice', claims: {}, amr: [] }),
    beginDevice: async (_demand, _call, reserve) => {
      await reserve();
      const flow = { deviceCode: 'd', userCode: 'u', verificationUri: 'https://corp.test/device' };
      return { ...flow, intervalSeconds: 5, expiresInSeconds: 600 };
    },
    finishDevice: () => Promise.resolve('authorization_pending'),
  };
  const stepUp = { maxAgeSeconds: 600, acr: [], secretReads: false };
  const issuers = new Map([['corp', issuer]]);
  Object.defineProperty(parts, 'people', {
    value: { ...TIMES, issuers, stepUp, deviceTurns: new Turns() },
  });
}

async function logInAsPerson(broker: TestBroker): Promise<void> {
  const { parts } = broker;
  const begun = await beginLogin(parts, broker.call(), {
    issuer: 'corp',
    redirectUri: REDIRECT,
    isStepUp: false,
  });
  await finishLogin(parts, broker.call(), { login: begun.login, answer: 'code=c&state=s' });
}

function requestRole(broker: TestBroker, requester: LiveOperator, at: number): Promise<unknown> {
  const grant = { role: 'policy-editor', scope: [`p${at}/**`] } as const;
  const elevation = { grant, seconds: 600, reason: `INC-${at}` };
  return requestElevation(broker.parts, broker.call(), requester, elevation);
}

async function elevate(broker: TestBroker): Promise<void> {
  const ann = await broker.operator('ann', [{ role: 'admin' }]);
  const eve = await broker.operator('eve', [{ role: 'auditor' }]);
  const elevation = {
    grant: { role: 'policy-editor', scope: [] },
    seconds: 600,
    reason: 'r',
  } as const;
  const { id } = await requestElevation(broker.parts, broker.call(), eve, elevation);
  await approve(broker.parts, broker.call(), ann, { id });
}

const CASES: Readonly<Record<string, LimitCase>> = {
  'scanners of a writer about an image': {
    limit: 8,
    ofSecond: 0,
    refusal: 'ERR_CONFLICT',
    table: 'image_evidence',
    prepare: addWriter,
    request: (broker, at) => push(broker, `scanner-${at}`, IMAGE),
  },
  'reports of a writer': {
    limit: 5_000,
    ofSecond: 1,
    refusal: 'ERR_CONFLICT',
    table: 'image_evidence',
    prepare: (broker) => storeReports(broker, 4_990),
    request: (broker, at) => push(broker, 'scanner', digestOf(at)),
  },
  'statements of a writer about an image that no authority signed': {
    limit: 5,
    ofSecond: 0,
    refusal: 'ERR_CONFLICT',
    table: 'attestations',
    prepare: addWriter,
    request: (broker, at) => sign(broker, at, IMAGE),
  },
  'statements of a writer that no authority signed': {
    limit: 100,
    ofSecond: 0,
    refusal: 'ERR_CONFLICT',
    table: 'attestations',
    prepare: async (broker) => {
      await addWriter(broker);
      for (let at = 0; at < 85; at += 1) await sign(broker, at, digestOf(1_000 + at));
    },
    request: (broker, at) => sign(broker, at, digestOf(at)),
  },
  'sessions of a person': {
    limit: 20,
    ofSecond: 0,
    refusal: 'ERR_RATE_LIMITED',
    table: 'operator_tokens',
    prepare: async (broker) => {
      addIssuer(broker);
      const grants = [{ role: 'auditor', scope: [] }];
      const binding = { issuer: 'corp', subjects: ['alice'], grants };
      await broker.put(await operatorAt(broker, 'root'), 'role-binding', 'alice', binding);
      for (let at = 0; at < 18; at += 1) await logInAsPerson(broker);
    },
    request: logInAsPerson,
  },
  'logins on another device from one network': {
    limit: 16,
    ofSecond: 1,
    refusal: 'ERR_BUSY',
    table: 'device_logins',
    prepare: (broker) => {
      addIssuer(broker);
      return Promise.resolve();
    },
    request: (broker) =>
      beginLogin(broker.parts, broker.call(), { issuer: 'corp', isStepUp: false }),
  },
  'requests of an operator for more rights': {
    limit: 10,
    ofSecond: 0,
    refusal: 'ERR_CONFLICT',
    table: 'approvals',
    prepare: async (broker) => {
      const eve = await broker.operator('eve', [{ role: 'auditor' }]);
      for (let at = 0; at < 8; at += 1) await requestRole(broker, eve, 100 + at);
    },
    request: async (broker, at) => requestRole(broker, await operatorAt(broker, 'eve'), at),
  },
  'requests of all operators for more rights': {
    limit: 50,
    ofSecond: 0,
    refusal: 'ERR_CONFLICT',
    table: 'approvals',
    prepare: async (broker) => {
      for (let at = 0; at < AT_ONCE; at += 1)
        await broker.operator(`o${at}`, [{ role: 'auditor' }]);
      for (let at = 0; at < 48; at += 1)
        await requestRole(broker, await operatorAt(broker, `o${at % 6}`), at);
    },
    request: async (broker, at) =>
      requestRole(broker, await operatorAt(broker, `o${at % AT_ONCE}`), at),
  },
  'documents that an elevation changes': {
    limit: 50,
    ofSecond: 1,
    refusal: 'ERR_CONFLICT',
    table: 'documents',
    prepare: elevate,
    request: async (broker, at) => {
      const eve = await operatorAt(broker, 'eve');
      const name = `p${at}`;
      const change = { kind: 'policy', name, body: policy(name, ['app/**']) } as const;
      const precondition = { ifNoneMatch: '*' } as const;
      return applyDocument(broker.parts, broker.call(), eve, { ...change, precondition });
    },
  },
  'sessions of a pod': {
    limit: 20,
    ofSecond: 20,
    refusal: 'ERR_RATE_LIMITED',
    table: 'sessions',
    limits: { sessionsPerPod: 20 },
    request: (broker) => broker.openSession(),
  },
  'sessions of a workload': {
    limit: 20,
    ofSecond: 20,
    refusal: 'ERR_RATE_LIMITED',
    table: 'sessions',
    limits: { sessionsPerWorkload: 20 },
    request: (broker, at) => broker.openSession({ pod: { name: `api-${at}`, uid: `pod-${at}` } }),
  },
  'leases of a workload': {
    limit: 20,
    ofSecond: 20,
    refusal: 'ERR_LEASE_QUOTA',
    table: 'leases',
    limits: { leasesPerWorkload: 20 },
    prepare: openSession,
    request: async (broker, at) => {
      broker.backend.secrets.set(`kv/s${at}`, { data: { v: '1' }, version: '1' });
      const path = `kv/s${at}`;
      return readSecret(broker.parts, broker.call(), await sessionAt(broker), { path });
    },
  },
  'wrapped answers of a workload': {
    limit: 100,
    ofSecond: 100,
    refusal: 'ERR_RATE_LIMITED',
    table: 'wrapped_answers',
    prepare: async (broker) => {
      await openSession(broker);
      for (let at = 0; at < 80; at += 1) await wrap(broker);
    },
    request: wrap,
  },
};

async function wrap(broker: TestBroker): Promise<unknown> {
  const answer = (): Promise<Buffer> => Promise.resolve(Buffer.from('{}'));
  const order = { creationPath: 'secret/data/a', path: undefined, seconds: 60, answer };
  return wrapAnswer(broker.parts, broker.call(), await sessionAt(broker), order);
}

/** Sends the requests, to the brokers in turn. @returns the codes of their answers */
async function sendAll(brokers: readonly TestBroker[], { request }: LimitCase) {
  const sent = Array.from({ length: AT_ONCE }, (_, at) =>
    codeOf(request(brokers[at % brokers.length] as TestBroker, at)),
  );
  return Promise.all(sent);
}

async function open({ limits, prepare }: LimitCase): Promise<TestBroker> {
  const broker = await TestBroker.open(limits);
  opened.push(broker);
  await broker.seed();
  await prepare?.(broker);
  return broker;
}

/** Rows of the table that no part of the preparation besides the limited requests wrote. */
async function countLimited(broker: TestBroker, { table }: LimitCase): Promise<number> {
  const { store } = broker.parts;
  if (table === 'documents') return countRows(store, table, { updated_by: 'eve' });
  if (table === 'operator_tokens') return countRows(store, table, { operator: 'oidc:corp/alice' });
  return countRows(store, table, {});
}

it.each(Object.entries(CASES))(
  'sixty requests of one moment store no more than the limit of %s (DI11)',
  async (_name, limited) => {
    const broker = await open(limited);
    const codes = await sendAll([broker], limited);
    const stored = await countLimited(broker, limited);
    expect(stored).toBeLessThanOrEqual(limited.limit);
    expect(new Set(codes)).toContain('no error');
    // The rest of the place is still free for the next ones.
    for (let at = AT_ONCE; at < AT_ONCE + limited.limit - stored; at += 1)
      await limited.request(broker, at);
    expect(await countLimited(broker, limited)).toBe(limited.limit);
    expect(await codeOf(limited.request(broker, 2 * AT_ONCE))).toBe(limited.refusal);
  },
);

it.each(Object.entries(CASES))(
  'sixty requests of one moment at two brokers store no more than the limit of %s, besides what is in flight (DI11)',
  async (_name, limited) => {
    const first = await open(limited);
    const second = await first.peer();
    opened.push(second);
    if (first.parts.people.issuers.has('corp')) addIssuer(second);
    await sendAll([first, second], limited);
    const stored = await countLimited(first, limited);
    expect(stored).toBeLessThanOrEqual(limited.limit + limited.ofSecond);
  },
);
