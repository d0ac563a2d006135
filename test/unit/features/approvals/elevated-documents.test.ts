import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { approvalWorker } from '../../../../src/features/approvals/approval-worker.ts';
import {
  approve,
  deny,
  readApproval,
  requestElevation,
  withdraw,
} from '../../../../src/features/approvals/approvals.ts';
import {
  confirmDocuments,
  type SeenDocument,
} from '../../../../src/features/approvals/confirm-documents.ts';
import { applyDocument } from '../../../../src/broker/documents/apply-document.ts';
import { documentVersions } from '../../../../src/broker/documents/read-documents.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { DocumentKind } from '../../../../src/broker/model/kinds.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Role } from '../../../../src/domain/identity/principal.ts';
import { cluster, codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';

let broker: TestBroker;
let root: LiveOperator;
let ann: LiveOperator;
let eve: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  root = await broker.seed();
  ann = await broker.operator('ann', [{ role: 'admin' }, { role: 'responder' }]);
  eve = await broker.operator('eve', [{ role: 'auditor' }]);
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
});
afterEach(() => broker.close());

const SECONDS = 600;

/** Elevates an operator, and returns the id of the approval. */
async function elevate(role: Role, scope: readonly string[] = [], by = eve): Promise<string> {
  const elevation = { grant: { role, scope }, seconds: SECONDS, reason: 'INC-7' };
  const { id } = await requestElevation(broker.parts, broker.call(), by, elevation);
  await approve(broker.parts, broker.call(), ann, { id });
  return id;
}

const write = (kind: DocumentKind, name: string, body: object, by = eve) =>
  codeOf(broker.put(by, kind, name, body));
const remove = (kind: DocumentKind, name: string, by = eve) =>
  codeOf(broker.remove(by, kind, name));
const find = (kind: DocumentKind, name: string) => broker.parts.catalog.find(kind, name);
const show = async (id: string) =>
  (await readApproval(broker.parts, broker.call(), ann, id)).documents.map(
    ({ document: { kind, name }, atEnd }) => `${kind} ${name} ${atEnd}`,
  );

/** One round of the worker after the end of all elevations. */
async function end(): Promise<void> {
  broker.clock.advance(SECONDS * 1000);
  const worker = approvalWorker(broker.parts);
  worker.start();
  for (let turns = 0; turns < 80; turns += 1) await new Promise((done) => setImmediate(done));
  await worker.stop();
}

/** Reads as a workload of another namespace than the seed serves. */
async function reads(): Promise<string> {
  const live = await broker.logIn({ namespace: 'evil', pod: { name: 'e', uid: 'pod-e' } });
  return codeOf(readSecret(broker.parts, broker.call(), live, { path: 'kv/db' }));
}

const forEvil = (name: string, paths: readonly string[], effect = 'allow') => ({
  ...policy(name, paths),
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['evil'], serviceAccounts: ['*'] }],
    rules: [{ effect, paths, capabilities: ['read'] }],
  },
});

describe('a document that was written under an elevation (O45)', () => {
  it('names it in the document, its versions and the entry, and ends with it', async () => {
    let id = '';
    const entries = await broker.entriesOf(async () => {
      id = await elevate('policy-editor');
      expect(await write('policy', 'left', forEvil('left', ['kv/**']))).toBe('no error');
      expect(await reads()).toBe('no error');
      expect(find('policy', 'left')).toMatchObject({ elevation: id, updatedBy: 'eve' });
      expect(await show(id)).toEqual(['policy left deleted']);
      await end();
    });
    expect(find('policy', 'left')).toBeUndefined();
    expect(await reads()).toBe('ERR_DENIED');
    const about = entries.filter(
      ({ document }) => (document as { kind?: string } | undefined)?.kind === 'policy',
    );
    expect(about).toMatchObject([
      { action: 'document.write', approval: id },
      { action: 'document.delete', approval: id, cause: 'elevation_ended' },
    ]);
    const versions = await documentVersions(broker.parts, broker.call(), root, {
      kind: 'policy',
      name: 'left',
    });
    expect(versions).toMatchObject([
      { version: 2, deleted: true },
      { version: 1, elevation: id },
    ]);
  });

  it('is what it was before, if it existed, whatever was written in between', async () => {
    await broker.put(root, 'policy', 'p', forEvil('p', ['app/**']));
    const before = find('policy', 'p')!.body;
    const id = await elevate('policy-editor');
    for (const paths of [
      ['app/**', 'kv/db'],
      ['app/**', 'kv/**'],
      ['app/**', 'kv/x'],
    ])
      expect(await write('policy', 'p', forEvil('p', paths))).toBe('no error');
    expect(await show(id)).toEqual(['policy p restored']);
    await end();
    expect(find('policy', 'p')).toMatchObject({ body: before, version: 5, updatedBy: id });
    expect(find('policy', 'p')!.elevation).toBeUndefined();
  });

  it('stays if it only takes, so that the end of an elevation gives nothing back', async () => {
    await broker.put(root, 'policy', 'p', forEvil('p', ['kv/**']));
    const id = await elevate('policy-editor');
    expect(await write('policy', 'deny', forEvil('deny', ['kv/db'], 'deny'))).toBe('no error');
    expect(await write('policy', 'p', forEvil('p', ['kv/a']))).toBe('no error');
    expect(await show(id)).toEqual(['policy deny kept', 'policy p kept']);
    const entries = await broker.entriesOf(end);
    expect(await reads()).toBe('ERR_DENIED');
    expect(find('policy', 'deny')!.elevation).toBeUndefined();
    expect(entries).toMatchObject([
      { action: 'approval.expire', approval: id, cause: 'ended' },
      { action: 'approval.expire', approval: id, cause: 'kept', document: { name: 'deny' } },
      { action: 'approval.expire', approval: id, cause: 'kept', document: { name: 'p' } },
    ]);
    const again = await elevate('policy-editor');
    expect(await write('policy', 'p', forEvil('p', ['kv/**']))).toBe('no error');
    expect(await show(again)).toEqual(['policy p restored']);
    await end();
    expect(find('policy', 'p')!.spec).toMatchObject({ spec: { rules: [{ paths: ['kv/a'] }] } });
  });

  it('ends when the elevation is denied or withdrawn, in the same commit', async () => {
    for (const ending of [
      (id: string) => deny(broker.parts, broker.call(), ann, { id }),
      (id: string) => withdraw(broker.parts, broker.call(), eve, { id }),
    ]) {
      const id = await elevate('policy-editor');
      await write('policy', 'left', forEvil('left', ['kv/**']));
      await ending(id);
      expect(find('policy', 'left')).toBeUndefined();
      expect(await reads()).toBe('ERR_DENIED');
    }
  });

  it('does not commit after the end of the elevation that commits first', async () => {
    const id = await elevate('policy-editor');
    broker.store.once(records('document.write'), () =>
      withdraw(broker.parts, broker.call(), eve, { id }),
    );
    expect(await write('policy', 'late', forEvil('late', ['kv/**']))).toBe('ERR_DENIED');
    expect(find('policy', 'late')).toBeUndefined();
  });

  it('ends after a restart too', async () => {
    await elevate('policy-editor');
    await write('policy', 'left', forEvil('left', ['kv/**']));
    broker = await broker.reopen();
    expect(find('policy', 'left')!.elevation).toBeDefined();
    await end();
    expect(find('policy', 'left')).toBeUndefined();
  });

  it('restores an enforced profile that it weakened, and the decoy of a definition', async () => {
    const profile = (mode: string) => ({ mode, pod: { serviceAccountToken: 'deny' } });
    await broker.put(root, 'posture-profile', 'prod', profile('enforce'));
    await broker.put(root, 'definition', 'kv/db', { decoy: { action: 'audit' } });
    await elevate('admin');
    expect(await write('posture-profile', 'prod', profile('audit'))).toBe('no error');
    expect(await write('definition', 'kv/db', {})).toBe('no error');
    await end();
    expect(find('posture-profile', 'prod')!.spec).toMatchObject({ mode: 'enforce' });
    expect(find('definition', 'kv/db')!.spec).toMatchObject({ decoy: { action: 'audit' } });
  });

  it('has no mark if the lasting rights of the operator suffice', async () => {
    const bob = await broker.operator('bob', [{ role: 'policy-editor' }]);
    await elevate('secret-editor', [], bob);
    expect(await write('policy', 'own', forEvil('own', ['kv/**']), bob)).toBe('no error');
    expect(find('policy', 'own')!.elevation).toBeUndefined();
    expect(await write('definition', 'kv/x', { description: 'x' }, bob)).toBe('no error');
    expect(find('definition', 'kv/x')!.elevation).toBeDefined();
  });
});

describe('an elevation (O45)', () => {
  it('changes no cluster and no mount, also if it is to admin', async () => {
    await elevate('admin');
    expect(await write('cluster', 'c2', cluster())).toBe('ERR_DENIED');
    expect(await write('cluster', 'c1', cluster({ issuer: 'https://evil.test' }))).toBe(
      'ERR_DENIED',
    );
    expect(await write('mount', 'm2', mount('other'))).toBe('ERR_DENIED');
    expect(await remove('cluster', 'c1')).toBe('ERR_DENIED');
    expect(await write('operator', 'x', { grants: [] })).toBe('ERR_DENIED');
  });

  it('makes no change that both gives and takes, and no removal that gives', async () => {
    await broker.put(root, 'policy', 'p', forEvil('p', ['app/**']));
    await broker.put(root, 'policy', 'd', forEvil('d', ['kv/**'], 'deny'));
    await elevate('policy-editor');
    expect(await write('policy', 'p', forEvil('p', ['kv/**']))).toBe('ERR_CONFLICT');
    expect(await remove('policy', 'd')).toBe('ERR_CONFLICT');
    expect(await remove('policy', 'p')).toBe('no error');
    expect(await write('response-rule', 'r', { action: 'audit' })).toBe('ERR_CONFLICT');
    await end();
    expect(find('policy', 'p')).toBeUndefined();
  });

  it('does not change what another elevation wrote and no operator confirmed', async () => {
    await elevate('policy-editor');
    await write('policy', 'p', forEvil('p', ['app/**']));
    const bob = await broker.operator('bob', [{ role: 'auditor' }]);
    await elevate('policy-editor', [], bob);
    expect(await write('policy', 'p', forEvil('p', ['**']), bob)).toBe('ERR_CONFLICT');
  });

  it('changes at most fifty documents', async () => {
    await elevate('policy-editor');
    for (let n = 0; n < 50; n += 1) await write('policy', `p${n}`, forEvil(`p${n}`, ['kv/**']));
    expect(await write('policy', 'p50', forEvil('p50', ['kv/**']))).toBe('ERR_CONFLICT');
    expect(await write('policy', 'p1', forEvil('p1', ['kv/x']))).toBe('no error');
    await end();
    expect(find('policy', 'p0')).toBeUndefined();
    expect(find('policy', 'p49')).toBeUndefined();
  });
});

describe('a document that another operator confirmed (O45)', () => {
  const confirmed = (id: string, by: LiveOperator, document: SeenDocument) =>
    codeOf(
      confirmDocuments(broker.parts, broker.call(), by, {
        id,
        documents: [document],
        reason: 'CHG-1',
      }),
    );
  const confirm = (id: string, by: LiveOperator, name = 'left', version = 1) =>
    confirmed(id, by, { kind: 'policy', name, version });

  it('stays when the elevation ends, as a version of that operator', async () => {
    const id = await elevate('policy-editor');
    await write('policy', 'left', forEvil('left', ['kv/**']));
    await write('policy', 'gone', forEvil('gone', ['kv/**']));
    const entries = await broker.entriesOf(async () => {
      expect(await confirm(id, ann)).toBe('no error');
    });
    expect(entries).toMatchObject([
      { action: 'approval.approve', approval: id, cause: 'documents', comment: 'CHG-1' },
      { action: 'document.write', approval: id, cause: 'confirmed', actor: { id: 'ann' } },
    ]);
    expect(await show(id)).toEqual(['policy gone deleted']);
    await end();
    expect(find('policy', 'left')).toMatchObject({ version: 2, updatedBy: 'ann' });
    expect(find('policy', 'gone')).toBeUndefined();
  });

  it('still denies what a new profile denies by default', async () => {
    const id = await elevate('policy-editor');
    const body = { mode: 'enforce', vulnerabilities: { deny: ['CRITICAL'] } };
    expect(await write('posture-profile', 'gate', body)).toBe('no error');
    const before = find('posture-profile', 'gate');
    const document = { kind: 'posture-profile', name: 'gate', version: 1 } as const;
    expect(await confirmed(id, ann, document)).toBe('no error');
    const { spec, defaults } = before!;
    expect(find('posture-profile', 'gate')).toMatchObject({ version: 2, spec, defaults });
  });

  it('is the state to which a later change under the same elevation goes back', async () => {
    const id = await elevate('policy-editor');
    await write('policy', 'left', forEvil('left', ['kv/a']));
    await confirm(id, ann);
    await write('policy', 'left', forEvil('left', ['kv/a', 'kv/b']));
    await end();
    expect(find('policy', 'left')!.spec).toMatchObject({ spec: { rules: [{ paths: ['kv/a'] }] } });
  });

  it('is confirmed by the same document of an operator with the right itself', async () => {
    await elevate('policy-editor');
    const body = forEvil('left', ['kv/**']);
    await write('policy', 'left', body);
    const change = { kind: 'policy', name: 'left', body, keepsSame: true } as const;
    const precondition = { ifMatch: '*' };
    await applyDocument(broker.parts, broker.call(), ann, { ...change, precondition });
    await end();
    expect(find('policy', 'left')).toMatchObject({ version: 2, updatedBy: 'ann' });
  });

  it('is not confirmed by its writer, without the right, or in another version', async () => {
    const id = await elevate('policy-editor');
    await write('policy', 'left', forEvil('left', ['kv/**']));
    expect(await confirm(id, eve)).toBe('ERR_CONFLICT');
    const bob = await broker.operator('bob', [{ role: 'responder' }]);
    expect(await confirm(id, bob)).toBe('ERR_DENIED');
    await elevate('policy-editor', [], bob);
    expect(await confirm(id, bob)).toBe('ERR_DENIED');
    await write('policy', 'left', forEvil('left', ['kv/x', 'kv/**']));
    expect(await confirm(id, ann)).toBe('ERR_VERSION_CONFLICT');
    expect(await confirm(id, ann, 'all')).toBe('ERR_VERSION_CONFLICT');
    expect(await confirm('apr_none', ann)).toBe('ERR_NOT_FOUND');
    await end();
    expect(find('policy', 'left')).toBeUndefined();
  });
});
