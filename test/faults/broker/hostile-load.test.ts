import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { HostileWriters, IdleServer, type Answers } from '../../kit/broker/hostile-writers.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { FakeApiServer } from '../../kit/fakes/fake-api-server.ts';
import { FakeCustomResources } from '../../kit/fakes/fake-custom-resources.ts';
import { eventually } from '../../kit/time/eventually.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { trivyReport } from '../../kit/images/scanner-reports.ts';

/**
 * Reports; twice as many attestations, and a fifth as many changes of a faulty custom resource. `HOSTILE_REPORTS` in the environment sets another
 * number (5,000 takes seven minutes), and `HOSTILE_FIGURES` a file for the times and the processor time.
 */
const REPORTS = Number(process.env['HOSTILE_REPORTS'] ?? 6);
const FIGURES = process.env['HOSTILE_FIGURES'];
const ROUNDS = REPORTS > 1_000 ? 20 : 1;
const WRITERS = REPORTS > 1_000 ? 16 : 4;
/** Reads of the victim in each half of a round. */
const READS = REPORTS > 1_000 ? 500 : 25;
const DIGEST = `sha256:${'c'.repeat(64)}`;
const SIGNER = new ImageSigner();
const TICKS_PER_SECOND = 100;

let kube: FakeApiServer;
let resources: FakeCustomResources;
let broker: PreparedBroker;
let writers: HostileWriters;
let victim = '';

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  resources = new FakeCustomResources(kube);
  const namespaces = [{ name: 'prod', prefixes: ['faulty'] }];
  broker = await PreparedBroker.start({
    config: () => ({
      connections: { home: kube.access },
      kubernetes: {
        documents: [{ cluster: 'watched', connection: 'home', namespaces }],
      },
    }),
  });
  const subject = {
    clusters: ['watched'],
    namespaces: ['prod'],
    serviceAccounts: ['api'],
  };
  await broker.create('/clusters/watched', {
    connection: 'home',
    issuer: kube.issuer,
    audiences: ['quaymaster'],
  });
  await broker.create('/policies/victim', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'victim' },
    spec: {
      subjects: [subject],
      rules: [
        {
          name: 'read',
          effect: 'allow',
          paths: ['own/**'],
          capabilities: ['read'],
        },
      ],
    },
  });
  await broker.create('/posture-profiles/gate', {
    mode: 'enforce',
    vulnerabilities: { deny: ['CRITICAL'] },
    image: {
      signatures: [{ images: ['**'], authorities: [{ name: 'ci', key: SIGNER.pem }] }],
    },
  });
  await broker.write('own/db', { password: 'v' });
  const Metadata = { RepoDigests: [`registry.test/shop/web@${DIGEST}`] };
  const report = trivyReport({ CreatedAt: new Date().toISOString(), Metadata }, []);
  await post(broker.operator, 'evidence', {
    report: JSON.stringify(report),
    covers: ['vulnerabilities'],
  });
  await post(broker.operator, 'attestations', {
    attestation: SIGNER.bundle(DIGEST),
  });
  const tokens: string[] = [];
  for (let at = 0; at < WRITERS; at += 1) tokens.push(await writerToken(at));
  writers = new HostileWriters({ url: broker.installation.url, tokens });
}, 120_000);
afterAll(async () => {
  await (writers as HostileWriters | undefined)?.close();
  await (broker as PreparedBroker | undefined)?.remove();
  await kube.close();
});

async function post(token: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await broker.installation.call('POST', `/api/v1/${path}`, {
    token,
    body,
  });
  if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.json)}`);
  return answer.json;
}

async function writerToken(at: number): Promise<string> {
  const grants = [{ role: 'evidence-writer', scope: [`registry.test/team-${at}`] }];
  await broker.create(`/operators/team-${at}`, { grants });
  const { token } = await post(broker.operator, `operators/team-${at}/tokens`, {
    ttl: '12h',
  });
  return String(token);
}

async function logIn(): Promise<string> {
  const spec = {
    containers: [{ name: 'web', image: `registry.test/shop/web@${DIGEST}` }],
  };
  const account = { namespace: 'prod', serviceAccount: 'api' };
  const pod = kube.pods.create({
    ...account,
    name: `web-${Math.random()}`.replace('.', ''),
    spec,
  });
  const token = kube.token({ ...account, audience: ['quaymaster'], pod });
  const body = { cluster: 'watched', token };
  return eventually('a session', async () => {
    const answer = await broker.installation.call('POST', '/api/v1/sessions', {
      body,
    });
    return answer.status === 201 ? String(answer.json['token']) : undefined;
  });
}

/** Milliseconds of the reads; the victim is another caller than all writers. */
async function reads(): Promise<readonly number[]> {
  const times: number[] = [];
  for (let read = 0; read < READS; read += 1) {
    const begun = performance.now();
    const { status } = await broker.read(victim, 'own/db');
    times.push(performance.now() - begun);
    expect(status).toBe(200);
    await pause(5);
  }
  return times;
}

/** Processor time of the thread with the event loop, and of the process, in milliseconds. */
async function processorTime(): Promise<{
  readonly loop: number;
  readonly all: number;
}> {
  const { pid } = broker.installation;
  const read = async (file: string): Promise<number> => {
    const stat = await readFile(file, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
  };
  return {
    loop: await read(`/proc/${pid}/task/${pid}/stat`),
    all: await read(`/proc/${pid}/stat`),
  };
}

/** Changes a faulty resource as fast as its API server takes them. */
async function changeResource(changes: number): Promise<void> {
  for (let change = 0; change < changes; change += 1) {
    resources.put('faulty', {
      subjects: [],
      rules: [{ name: 'r', effect: `no-${change}` }],
    });
    if (change % 10 === 9) await pause(5);
  }
}

interface Round {
  readonly alone: readonly number[];
  readonly beside: readonly number[];
  readonly loopAlone: number;
  readonly loopBeside: number;
  readonly allBeside: number;
  readonly besideMs: number;
  readonly answers: Answers;
  /** Reads while the same writers push to a server that does nothing: what the writers cost without the broker. */
  readonly control: readonly number[];
}

/** A session ends with the token of its pod, after ten minutes. */
async function enter(): Promise<void> {
  victim = await logIn();
  await until('the pod is fit', async () => (await broker.read(victim, 'own/db')).status === 200);
}

async function round(): Promise<Round> {
  await enter();
  const [first, begun] = [await processorTime(), performance.now()];
  const alone = await reads();
  const [second, between] = [await processorTime(), performance.now()];
  const pushes = writers.push(PUSHES);
  const changes = changeResource(Math.ceil(REPORTS / 5 / ROUNDS));
  const beside = await readsBeside(pushes);
  await changes;
  const [third, end] = [await processorTime(), performance.now()];
  const answers = await pushes;
  return {
    alone,
    beside,
    loopAlone: (second.loop - first.loop) / (between - begun),
    loopBeside: (third.loop - second.loop) / (end - between),
    allBeside: (third.all - second.all) / (end - between),
    besideMs: end - between,
    answers,
    control: FIGURES === undefined ? [] : await controlReads(answers, end - between),
  };
}

const PUSHES = {
  reports: Math.ceil(REPORTS / ROUNDS),
  attestations: Math.ceil((2 * REPORTS) / ROUNDS),
};

/** Milliseconds of the reads until the pushes are over. */
async function readsBeside(pushes: Promise<unknown>): Promise<readonly number[]> {
  const pushing = { isOver: false };
  void pushes.finally(() => (pushing.isOver = true));
  const times = [...(await reads())];
  while (!pushing.isOver) times.push(...(await reads()));
  return times;
}

/** Milliseconds of the reads while the writers push to a server that does nothing, at the pace of the round before. */
async function controlReads(answers: Answers, ms: number): Promise<readonly number[]> {
  const sum = (names: readonly string[]): number =>
    names.reduce((total, name) => total + (answers[name] ?? 0), 0);
  const names = Object.keys(answers);
  const read = names.filter((name) => / (2\d\d|4(?!29)\d\d)$/.test(name));
  const idle = await IdleServer.start(sum(read) / sum(names), (sum(names) * 1_000) / ms);
  try {
    return await readsBeside(writers.push({ ...PUSHES, url: idle.url }));
  } finally {
    idle.close();
  }
}

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

function answersOf(rounds: readonly Round[]): Answers {
  const answers: Record<string, number> = {};
  for (const { answers: some } of rounds)
    for (const [name, count] of Object.entries(some)) answers[name] = (answers[name] ?? 0) + count;
  return answers;
}

/** Writes times in milliseconds, and processor time as a part of one core. */
async function writeFigures(rounds: readonly Round[], starts: readonly number[]): Promise<void> {
  if (FIGURES === undefined) return;
  const ratios = rounds.map(({ alone, beside }) => quantile(beside, 0.99) / quantile(alone, 0.99));
  const ofControl = rounds.map(
    ({ control, beside }) => quantile(beside, 0.99) / quantile(control, 0.99),
  );
  const [alone, beside, control] = [
    rounds.flatMap((each) => each.alone),
    rounds.flatMap((each) => each.beside),
    rounds.flatMap((each) => each.control),
  ];
  const status = await readFile(`/proc/${broker.installation.pid}/status`, 'utf8');
  const figures = {
    answers: answersOf(rounds),
    reads: [alone.length, beside.length, control.length],
    p50: [quantile(alone, 0.5), quantile(beside, 0.5), quantile(control, 0.5)],
    p99: [quantile(alone, 0.99), quantile(beside, 0.99), quantile(control, 0.99)],
    ratiosOfP99: ratios,
    medianRatio: quantile(ratios, 0.5),
    ratiosToControl: ofControl,
    medianRatioToControl: quantile(ofControl, 0.5),
    loopAlone: rounds.map(({ loopAlone }) => loopAlone),
    loopBeside: rounds.map(({ loopBeside }) => loopBeside),
    allBeside: rounds.map(({ allBeside }) => allBeside),
    seconds: rounds.map(({ besideMs }) => besideMs / 1_000),
    peakMemory: /VmHWM:\s*(.*)/.exec(status)?.[1],
    starts,
  };
  await writeFile(FIGURES, JSON.stringify(figures, undefined, 1));
}

async function restart(): Promise<number> {
  await broker.installation.stop();
  const begun = performance.now();
  await broker.installation.start();
  return performance.now() - begun;
}

it(
  'hostile reports, attestations and custom resources leave the reads of others, the readiness and the next start alone (D16)',
  async () => {
    await enter();
    const starts = [await restart()];
    const statuses = new Set<number>();
    const probing = { isOver: false };
    const probes = (async () => {
      while (!probing.isOver) {
        statuses.add((await fetch(`${broker.installation.url}/readyz`)).status);
        await pause(50);
      }
    })();
    await until('the pod is fit', async () => (await broker.read(victim, 'own/db')).status === 200);
    const rounds: Round[] = [];
    for (let at = 0; at < ROUNDS; at += 1) {
      rounds.push(await round());
      await writeFigures(rounds, starts);
    }
    probing.isOver = true;
    await probes;
    expect([...statuses]).toEqual([200]);
    const answered = Object.keys(answersOf(rounds));
    expect(answered.filter((name) => name.endsWith(' 500'))).toEqual([]);
    starts.push(await restart());
    await until('the pod reads', async () => (await broker.read(victim, 'own/db')).status === 200);
    if (FIGURES !== undefined) starts.push(await restart(), await restart());
    await writeFigures(rounds, starts);
  },
  REPORTS > 1_000 ? 7_200_000 : 120_000,
);
