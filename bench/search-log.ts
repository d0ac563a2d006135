import { sha256Hex } from '../src/crypto/hashes/digest.ts';
import { randomId } from '../src/crypto/random/random.ts';
import { encodeActor, encodeClient, encodeLocator } from '../src/domain/audit/audit-event.ts';
import type { AuditQuery } from '../src/ports/audit-log.ts';
import type { HandClock } from '../test/kit/time/hand-clock.ts';
import type { EventFields, LogBench } from '../test/kit/log/log-bench.ts';

const POD = 'api-7d9f8b6c5d-abcde';
const WORKLOAD = {
  cluster: 'prod',
  namespace: 'payments',
  serviceAccount: 'api',
  serviceAccountUid: '6f3c1f0e-0000-4000-8000-000000000001',
  pod: { name: POD, uid: '6f3c1f0e-0000-4000-8000-000000000002' },
};

/** The pod of all sessions. */
export const READER = { kind: 'pod', subject: `prod/${WORKLOAD.pod.uid}` } as const;

/** The entries of 50 pods that read three secrets again and again. */
const pods = Array.from({ length: 50 }, () => {
  const session = randomId('ses');
  const actor = encodeActor({ kind: 'workload', workload: WORKLOAD, session }, sha256Hex);
  const leases = ['payments/db', 'payments/queue', 'payments/mail'].map((path) => ({
    path,
    lease: randomId('lea'),
  }));
  return { session, actor, leases };
});

/** One entry of each 256 has this version: the least that can make a whole bundle a candidate. */
const RARE = 'rare';

/** The fields of a read by one of the pods. */
export function readFields(index: number, time: number): EventFields {
  const { actor, leases } = pods[index % pods.length]!;
  const { path, lease } = leases[index % leases.length]!;
  const client = { address: '10.1.2.3', method: 'GET', target: `/api/v1/secrets/${path}` };
  return {
    time,
    requestId: randomId('req'),
    actor,
    client: encodeClient({ ...client, userAgent: 'quaymaster-agent/1.0' }, sha256Hex),
    path,
    version: index % 256 === 77 ? RARE : '3',
    mount: 'payments',
    locator: encodeLocator('vault', `secret/data/${path}`, sha256Hex),
    lease,
    fingerprint: `v2.${sha256Hex(path).slice(0, 22)}`,
    policy: { name: 'payments-read', version: 2, rule: 'db' },
    endsAt: time + 900_000,
  };
}

/** Records reads in commits of some entries each, and adds them to the tree. */
export async function fillLog(
  bench: LogBench,
  clock: HandClock,
  { entries, commit }: { readonly entries: number; readonly commit: number },
): Promise<void> {
  for (let at = 0; at < entries; at += commit) {
    clock.advance(10);
    const now = clock.now();
    await bench.record(...Array.from({ length: commit }, (_, i) => readFields(at + i, now)));
    if (Math.floor(at / 4096) !== Math.floor((at + commit) / 4096)) await bench.integrate();
  }
  await bench.integrate();
}

/** Lists every kind of filter and time range, for an entry of the middle of the log. */
export async function queriesFor({
  reader,
}: LogBench): Promise<readonly (readonly [string, AuditQuery])[]> {
  const middle = Math.floor((await reader.size()) / 2);
  const [entry] = await reader.entries(middle, middle + 1);
  const { time, requestId } = JSON.parse(entry!.entry) as { time: string; requestId: string };
  const at = Date.parse(time);
  const { session, leases } = pods[0]!;
  const { lease } = leases[0]!;
  return Object.entries({
    'no filter': {},
    'a request': { requestId },
    'a request that is not there': { requestId: randomId('req') },
    'a time range in the middle': { from: at - 1000, to: at + 1000 },
    'a path in a time range': { path: 'payments/db', from: at - 1000, to: at + 1000 },
    'a session': { session },
    'a session before a time': { session, to: at },
    'a lease': { lease },
    'a lease before a time': { lease, to: at },
    'one entry in each bundle': { version: RARE },
    'a session and a path': { session, path: 'payments/db' },
    'a path prefix': { pathPrefix: 'payments' },
    'the start of the broker': { action: 'broker.start' },
    'an outcome that is not there': { outcome: 'deny' },
  } satisfies Record<string, AuditQuery>);
}
