import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, writeFile } from 'node:fs/promises';
import { dump } from 'js-yaml';
import { runRelease, type ReleaseOptions } from '../../../src/program/verbs/release.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { SystemActor } from '../../../src/broker/recording/record.ts';
import type { Recordable } from '../../../src/broker/state/dependencies.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { policy } from '../../kit/api/running-api.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { trivyReport } from '../../kit/images/scanner-reports.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const DIGEST = `sha256:${'d'.repeat(64)}`;
const WRAPPED = {
  id: 'e'.repeat(64),
  workload: 'k8s://c1/prod/api',
  session_id: 'ses_1',
  session_hash: Buffer.alloc(32),
  path: null,
  creation_path: 'sys/wrapping/wrap',
  sealed: Buffer.alloc(32),
  created_at: Date.now(),
  ends_at: Date.now() + 3_600_000,
  mac: null,
};
const FENCE = policy('fence', ['crown/**'], ['read']);
const SUSPENDED = { kind: 'pod', subject: 'c1/uid-1' } as const;

let own: AttackedInstallation;
let admin: string;

async function call(
  serving: Serving,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  const response = await fetch(`${serving.url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(method === 'PUT' && { 'if-none-match': '*' }),
      ...(method === 'DELETE' && path.startsWith('/policies') && { 'if-match': '*' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok && response.status !== 403) throw new Error(`${path}: ${text}`);
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as never };
}

async function operator(serving: Serving, name: string, ...roles: string[]): Promise<string> {
  const grants = roles.map((role) => ({ role }));
  await call(serving, admin, 'PUT', `/operators/${name}`, { grants });
  const made = await call(serving, admin, 'POST', `/operators/${name}/tokens`, { ttl: '30m' });
  return made.body['token'] as string;
}

const statusOf = async (serving: Serving, token: string): Promise<number> =>
  (await call(serving, token, 'GET', '/policies')).status;

async function record({ parts }: RunningBroker, ...events: Recordable[]): Promise<void> {
  const actor = new SystemActor({ clock: systemClock, digest: sha256Hex }, 'test');
  await parts.store.commit({ entries: events.map((event) => actor.entry(event)) });
}

const suspended = (alert: string, uid: string): Recordable => ({
  action: 'quarantine.create',
  outcome: 'ok',
  alert,
  quarantine: `qua_${uid}`,
  cause: 'suspended',
  pod: { cluster: 'c1', namespace: 'prod', name: 'web', uid },
});

let low: string;

/** Serves, changes what a backup has, serves again, and loses the store: only a copy of before is left. */
beforeEach(async () => {
  own = await AttackedInstallation.make();
  admin = await own.init();
  const first = await own.serve();
  low = await operator(first, 'low', 'auditor');
  const boss = await operator(first, 'boss', 'responder', 'evidence-writer', 'auditor');
  const second = await operator(first, 'second', 'admin');
  const fence = JSON.parse(JSON.stringify(FENCE).replace('"allow"', '"deny"')) as object;
  await call(first, admin, 'PUT', '/policies/fence', fence);
  await call(first, admin, 'PUT', '/policies/given', policy('given', ['team/**'], ['read']));
  const wish = { role: 'policy-editor', scope: [], reason: 'INC-7', duration: '1h' };
  const { id: approval } = (await call(first, low, 'POST', '/approvals:break-glass', wish)).body;
  await call(first, second, 'POST', `/approvals/${String(approval)}:approve`, {});
  expect(await statusOf(first, low)).toBe(200);
  const attestation = new ImageSigner().bundle(DIGEST);
  const signed = await call(first, boss, 'POST', '/attestations', { attestation });
  const Metadata = { RepoDigests: [`registry.test/prod/web@${DIGEST}`] };
  const report = JSON.stringify(trivyReport({ Metadata, CreatedAt: new Date().toISOString() }));
  const pushed = await call(first, boss, 'POST', '/evidence', { report });
  const [{ id: evidence } = {}] = pushed.body['items'] as { readonly id?: string }[];
  const { store } = first.broker.parts;
  await store.commit({ writes: [{ table: 'wrapped_answers', put: WRAPPED }] });
  await first.stop('test');
  own.copyStore('older');

  const later = await own.serve();
  await call(later, admin, 'POST', `/approvals/${String(approval)}:deny`, {});
  await call(later, boss, 'DELETE', `/attestations/${String(signed.body['id'])}`);
  await call(later, boss, 'DELETE', `/evidence/${evidence}`);
  for (const name of ['fence', 'given']) {
    await call(later, admin, 'DELETE', `/policies/${name}`);
    await call(later, admin, 'PUT', `/policies/${name}`, policy(name, ['other/**'], ['list']));
  }
  const opened = { action: 'wrapping.open', outcome: 'ok', token: WRAPPED.id } as const;
  await record(later.broker, opened, suspended('alt_1', 'uid-1'), suspended('alt_2', 'uid-2'), {
    action: 'alert.dismiss',
    outcome: 'ok',
    alert: 'alt_2',
  });
  await call(later, admin, 'POST', '/approvals:require', { required: ['admin'] });
  await later.broker.trail.integrator.integrate();
  await later.stop('test');
  await copyFile(own.at('store/quaymaster.db'), own.at('newer.db'));
  own.restoreStore('older');
});
afterEach(() => own.remove());

async function release(more: Partial<ReleaseOptions>): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, dump(own.config), { mode: 0o600 });
  return runRelease({ config: path, comment: 'the disk was lost', ...more });
}

describe('a release after a restore (BR01)', () => {
  it('ends elevations, signatures, reports and one-time answers that the newer log ended', async () => {
    const plan = await release({ applyRemovals: own.at('newer.db') });
    for (const what of ['approvals ended or used', 'signatures deleted', 'reports deleted'])
      expect(plan).toContain(`${what}: 1, of which the store has 1`);
    expect(plan).toContain(`wrapped answers opened: 1, of which the store has 1`);
    await release({ applyRemovals: own.at('newer.db'), yes: true });
    const serving = await own.serve();
    expect(serving.broker.unready()).toEqual([]);
    expect(await statusOf(serving, low)).toBe(403);
    for (const kind of ['attestations', 'evidence'])
      expect((await call(serving, admin, 'GET', `/${kind}`)).body['items']).toEqual([]);
    const { store } = serving.broker.parts;
    expect(await store.get('wrapped_answers', { id: WRAPPED.id })).toBeUndefined();
    await serving.stop('test');
  });

  it('keeps a document that only protects if the text of its newer version is lost', async () => {
    const plan = await release({ applyRemovals: own.at('newer.db') });
    expect(plan).toMatch(/documents deleted: 2, of which the store has 1\n {4}policy\/given\n/);
    expect(plan).toMatch(
      /left for you:\n {2}policy\/fence: deleted and written again; it protects/,
    );
    await release({ applyRemovals: own.at('newer.db'), yes: true });
    const broker = await own.open();
    expect(broker.parts.catalog.all('policy').map(({ name }) => name)).toEqual(['fence']);
    await broker.close('test');
  });

  it('makes a suspension no quarantine, and leaves out one that an operator dismissed', async () => {
    const plan = await release({ applyRemovals: own.at('newer.db'), yes: true });
    expect(plan).toContain(
      'quarantines: 1, of which the store has 1\n    pod:c1/uid-1 (suspended)',
    );
    const broker = await own.open();
    expect(broker.parts.quarantines.inForce()).toMatchObject([
      { ...SUSPENDED, mode: 'suspended', responseId: 'alt_1' },
    ]);
    await broker.close('test');
  });

  it('lists the grants that need an approval since then', async () => {
    const plan = await release({ applyRemovals: own.at('newer.db') });
    expect(plan).toMatch(
      /grants that need an approval: .* \(1\)\n.*approval\.require {2}admin {2}by/,
    );
  });
});
