import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PodTable } from '../src/auth/pod-watch/pod-table.ts';
import { readPod } from '../src/auth/pod-watch/observed-pod.ts';
import { readSecret } from '../src/broker/secrets/read-secrets.ts';
import { authenticate } from '../src/broker/access/authenticate.ts';
import { parseSpec } from '../src/broker/model/schema.ts';
import { systemClock } from '../src/process/clock.ts';
import { evaluate } from '../src/domain/posture/evaluate.ts';
import type { Evidence, Vulnerability } from '../src/domain/posture/evidence.ts';
import { PodNode } from '../src/domain/posture/pod-node.ts';
import { compileProfile } from '../src/domain/posture/profile.ts';
import { newCall } from '../test/kit/broker/api-call.ts';
import { FakeApiServer } from '../test/kit/fakes/fake-api-server.ts';
import type { FakePod } from '../test/kit/fakes/fake-pods.ts';
import { NOTHING_SIGNED } from '../test/kit/images/unsigned-images.ts';
import { RunningApi } from '../test/kit/api/running-api.ts';
import { logInPod, watchCluster } from '../test/kit/cluster/readers.ts';
import { holds, targetText, type Figure, type PostureName } from './figures.ts';
import { median, type Result } from './result.ts';

const SECRET = 'a-secret-of-falcosidekick';
const CONTAINERS = 5;
const FINDINGS = 2_000;
/** Number of alerts: the responses to the first ones run beside the last ones. */
const ALERTS = 400;
/** Reads of one round. Rounds are short, so that both of a pair meet the same load on the machine. */
const READS = 1_000;
/** Number of simultaneous reads, which share commits as reads of many callers do. */
const AT_ONCE = 50;
const READ_PAIRS = 300;
const ROUNDS = 15;

interface Size {
  readonly sessions: number;
  readonly pods: number;
}

type Measured = Pick<Result, 'unit' | 'ours' | 'spread'>;

/**
 * Figures of posture and of responses to alerts. The broker runs in this process, so that processor time is that of the broker
 * and its caller.
 */
export async function postureResults(
  figures: readonly Figure<PostureName>[],
  size: Size,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const measures: Readonly<Record<PostureName, () => Promise<Measured> | Measured>> = {
    'posture-evaluate': evaluation,
    'posture-read': readRatio,
    'posture-hostile': besideHostile,
    'posture-alert': () => alertLatency(size),
    'posture-watch': () => watchedMemory(size),
  };
  for (const { name, label, target } of figures) {
    const measured = await measures[name]();
    const reached = { target: targetText(target), isReached: holds(target, measured.ours) };
    results.push({ name, label, ...measured, peer: null, ratio: null, ...reached });
  }
  return results;
}

const digest = (digit: number): string => `sha256:${String(digit).repeat(64)}`;

/** Milliseconds of processor time for a pod with five containers and the report of each. */
function evaluation(): Measured {
  const profile = compileProfile('bench', 1, parseSpec('posture-profile', PROFILE));
  const findings = Array.from({ length: FINDINGS }, (_, at): Vulnerability => ({
    id: `CVE-2026-${at}`,
    aliases: [],
    severity: at % 10 === 0 ? 'HIGH' : 'LOW',
    isFixable: true,
    fixedVersion: '2',
    publishedAt: 0,
    purl: `pkg:deb/debian/p${at}@1`,
  }));
  const now = Date.now();
  const evidenceOf = (image: string): readonly Evidence[] => [
    {
      id: image,
      kind: 'vulnerabilities',
      scanner: 'trivy',
      scannerVersion: '1',
      digests: [image],
      config: undefined,
      writer: 'ci',
      scope: [],
      reportedAt: now,
      receivedAt: now,
      section: () => ({ isOsEnded: false, findings }),
    },
  ];
  const containers = Array.from({ length: CONTAINERS }, (_, at) => ({
    name: `c${at}`,
    image: `registry.test/prod/web@${digest(at)}`,
    resources: { limits: { cpu: '1', memory: '64Mi' } },
  }));
  const metadata = { name: 'web', namespace: 'prod', uid: 'u' };
  const pod = new PodNode({ metadata, spec: { serviceAccountName: 'web', containers } }, '');
  const snapshot = { cluster: 'c1', name: 'prod/web', pod, trust: NOTHING_SIGNED, evidenceOf };
  const rounds = Array.from({ length: ROUNDS + 1 }, () =>
    processorMs(100, () => evaluate(profile, snapshot, now)),
  ).slice(1);
  return { unit: 'ms', ours: median(rounds), spread: [Math.min(...rounds), Math.max(...rounds)] };
}

const PROFILE = {
  mode: 'enforce',
  pod: { securityStandard: { level: 'baseline', version: 'latest' }, ephemeralContainers: 'deny' },
  image: { digest: 'pinned' },
  vulnerabilities: { deny: ['CRITICAL'], reportMaxAge: '720h' },
};

function processorMs(times: number, work: () => unknown): number {
  const before = process.cpuUsage();
  for (let turn = 0; turn < times; turn += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / times;
}

interface Bench {
  readonly api: RunningApi;
  readonly kube: FakeApiServer;
  readonly close: () => Promise<void>;
}

async function open(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'qm-bench-posture-'));
  const secretFile = join(directory, 'bearer');
  await writeFile(secretFile, SECRET);
  const kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  const limits = { maxResponses: 500, maxWorkloadPercent: 100 };
  const rates = { perSecond: 1_000_000, burst: 1_000_000 };
  const api = await RunningApi.start({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: {
          format: 'generic',
          cluster: 'watched',
          ...limits,
          authenticate: { bearer: { secretFile } },
        },
      },
    },
    limits: {
      sessionsPerWorkload: 100_000,
      loginRate: rates,
      addressRate: rates,
      identityRate: rates,
      alertRate: rates,
    },
  });
  await api.seed();
  await watchCluster({ api, kube });
  return {
    api,
    kube,
    close: async () => {
      await api.stop();
      await kube.close();
      await rm(directory, { recursive: true });
    },
  };
}

function createPod(kube: FakeApiServer, at: number): FakePod {
  const spec = { containers: [{ name: 'web', image: `registry.test/prod/web@${digest(1)}` }] };
  return kube.pods.create({ namespace: 'prod', name: `web-${at}`, serviceAccount: 'api', spec });
}

/**
 * Processor time of a durable read under a profile, to that without one: the median over pairs of neighbouring rounds in one broker. The order within
 * a pair alternates, because a round also pays for the log entries of the round before it. The spread is the interval that has the true median with
 * 95 % certainty.
 */
async function readRatio(): Promise<Measured> {
  const { api, kube, close } = await open();
  const pod = createPod(kube, 0);
  const { body } = await logInPod({ api, kube }, pod);
  const { parts } = api.broker;
  const caller = await authenticate(parts, newCall(), body.token as string);
  const reads = async (count = READS): Promise<number> => {
    const before = process.cpuUsage();
    for (let turn = 0; turn < count; turn += AT_ONCE) {
      const calls = Array.from({ length: AT_ONCE }, () => newCall());
      await Promise.all(calls.map((call) => readSecret(parts, call, caller, { path: 'app/db' })));
    }
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const measured = async (hasProfile: boolean): Promise<number> => {
    if (hasProfile !== parts.profiles.all.length > 0) await toggleProfile(api);
    // The first reads after a change of documents evaluate and compile.
    await reads(AT_ONCE);
    return reads();
  };
  await reads(8 * READS);
  const ratios: number[] = [];
  for (let pair = 0; pair < READ_PAIRS; pair += 1) {
    const first = pair % 2 === 1;
    const times = [await measured(first), await measured(!first)] as const;
    const [off, on] = first ? [times[1], times[0]] : times;
    ratios.push(on / off);
  }
  await close();
  return { unit: 'times', ours: median(ratios), spread: medianInterval(ratios) };
}

const HOSTILE_WRITERS = 8;
const HOSTILE_PAIRS = 5;

/**
 * The 99th percentile of the time of a read beside writers that push expensive reports without pause and without a limit of their rate, to that of a
 * read alone: the median over pairs of neighbouring rounds in one broker.
 */
async function besideHostile(): Promise<Measured> {
  const { api, kube, close } = await open();
  const { body } = await logInPod({ api, kube }, createPod(kube, 0));
  const { parts } = api.broker;
  const caller = await authenticate(parts, newCall(), body.token as string);
  const p99 = async (): Promise<number> => {
    const times: number[] = [];
    for (let turn = 0; turn < READS; turn += 1) {
      const begun = performance.now();
      await readSecret(parts, newCall(), caller, { path: 'app/db' });
      times.push(performance.now() - begun);
    }
    return times.toSorted((a, b) => a - b)[Math.ceil(READS * 0.99) - 1] ?? Number.NaN;
  };
  const tokens = await Promise.all(
    Array.from({ length: HOSTILE_WRITERS }, (_, at) =>
      api.operator(`hostile-${at}`, [{ role: 'evidence-writer' }]),
    ),
  );
  await p99();
  const ratios: number[] = [];
  for (let pair = 0; pair < HOSTILE_PAIRS; pair += 1) {
    const alone = await p99();
    const controller = new AbortController();
    const pushes = tokens.map((token) => pushUntil(api, token, controller.signal));
    const beside = await p99();
    controller.abort();
    await Promise.all(pushes);
    ratios.push(beside / alone);
  }
  await close();
  return {
    unit: 'times',
    ours: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

async function pushUntil(api: RunningApi, token: string, signal: AbortSignal): Promise<void> {
  const affects = Array.from({ length: 50_000 }, (_, at) => ({ ref: `p${at}` }));
  const report = JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { tools: { components: [{ name: 'tool' }] } },
    vulnerabilities: [{ id: 'CVE-2026-1', ratings: [{ severity: 'low' }], affects }],
  });
  const body = { report, image: [digest(1)] };
  while (!signal.aborted) await api.call('POST', '/api/v1/evidence', { token, body });
}

/** Creates a profile for the secrets that the pod reads, or deletes it. */
async function toggleProfile(api: RunningApi): Promise<void> {
  const { token, path } = { token: api.admin, path: '/api/v1/posture-profiles/reads' };
  const { headers } = await api.call('GET', path, { token });
  const etag = headers['etag'];
  if (etag !== undefined) {
    await api.call('DELETE', path, { token, headers: { 'If-Match': etag } });
    return;
  }
  await api.put('posture-profiles/reads', {
    mode: 'enforce',
    image: { digest: 'pinned' },
    match: { secretPaths: ['app/**'] },
  });
}

/** The 95 % confidence interval of the median, by ranks: it assumes nothing of the distribution. */
function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((left, right) => left - right);
  const rank = Math.max(0, Math.floor(values.length / 2 - 0.98 * Math.sqrt(values.length)));
  return [sorted[rank] ?? Number.NaN, sorted.at(-rank - 1) ?? Number.NaN];
}

/** The 99th percentile of the time from an alert to its answer: its quarantine has committed by then, so no later read succeeds. */
async function alertLatency({ sessions }: Size): Promise<Measured> {
  const { api, kube, close } = await open();
  await api.put('response-rules/all', { order: 1, match: {}, action: 'quarantine' });
  const pods = Array.from({ length: sessions }, (_, at) => createPod(kube, at));
  for (let at = 0; at < sessions; at += 50)
    await Promise.all(pods.slice(at, at + 50).map((pod) => logInPod({ api, kube }, pod)));
  const times: number[] = [];
  for (const { metadata } of pods.slice(0, ALERTS)) {
    const begun = performance.now();
    const answer = await api.call('POST', '/api/v1/alert-sources/falco/alerts', {
      headers: { Authorization: `Bearer ${SECRET}` },
      body: {
        rule: 'shell',
        priority: 'critical',
        time: new Date().toISOString(),
        pod: { uid: metadata.uid },
      },
    });
    if (answer.status !== 202) throw new Error(answer.text);
    times.push(performance.now() - begun);
  }
  const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
  const quarantined = (body.items as readonly unknown[]).length;
  await close();
  if (quarantined !== Math.min(ALERTS, sessions)) throw new Error(`${quarantined} quarantines`);
  const sorted = times.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
  return { unit: 'ms', ours: p99, spread: [sorted[0] ?? 0, sorted.at(-1) ?? 0] };
}

/** Memory of the table of a watch with pods of a usual size. */
function watchedMemory({ pods }: Size): Measured {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  const ignored = { onEnd: () => undefined, onChange: () => undefined };
  const table = new PodTable('prod', systemClock, ignored);
  for (let at = 0; at < pods; at += 1) table.put(readPod(JSON.parse(podText(at)) as object));
  const megabytes = (used() - before) / 1_048_576;
  if (table.countAlive() !== pods) throw new Error('pods are missing');
  return { unit: 'MB', ours: megabytes, spread: [megabytes, megabytes] };
}

function podText(at: number): string {
  const app = `app-${at % 200}`;
  const container = (name: string): object => ({
    name,
    image: `registry.test/prod/${app}@${digest(at % 10)}`,
    env: Array.from({ length: 10 }, (_, n) => ({ name: `SETTING_${n}`, value: `value-${n}` })),
    resources: { limits: { cpu: '1', memory: '256Mi' }, requests: { cpu: '100m' } },
    volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
    securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false },
  });
  const state = (name: string): object => ({
    name,
    imageID: `registry.test/prod/${app}@${digest(at % 10)}`,
    ready: true,
    containerID: `containerd://${at.toString(16).padStart(64, '0')}`,
  });
  return JSON.stringify({
    metadata: {
      uid: `uid-${at}`,
      namespace: 'prod',
      name: `${app}-${at}`,
      labels: { app, tier: 'backend' },
      creationTimestamp: '2026-11-27T10:00:00Z',
    },
    spec: { serviceAccountName: app, containers: [container('main'), container('mesh')] },
    status: { phase: 'Running', containerStatuses: [state('main'), state('mesh')] },
  });
}
