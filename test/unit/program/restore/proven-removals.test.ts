import { expect, it } from '@jest/globals';
import type { NewerLog } from '../../../../src/program/restore/lost-changes.ts';
import { removalsIn } from '../../../../src/program/restore/proven-removals.ts';
import type { Removals } from '../../../../src/ports/removals.ts';

const TIME = '2026-01-02T03:04:05.678Z';

function removalsOf(...events: readonly object[]): Promise<Removals> {
  const log: NewerLog = {
    archived: { first: 0, end: 0 },
    entries: async function* () {
      for (const [index, event] of events.entries()) {
        const actor = { kind: 'operator', id: 'ada' };
        await Promise.resolve();
        yield { index, entry: JSON.stringify({ time: TIME, actor, outcome: 'ok', ...event }) };
      }
    },
  };
  return removalsIn(log);
}

const workload = 'k8s://c1/shop/web';
const pod = { cluster: 'c1', namespace: 'shop', name: 'web-1', uid: 'uid-1' };
const create = { action: 'quarantine.create', quarantine: 'qua_1', comment: 'stolen' };

it('collects revocations, deletions and ends of sessions', async () => {
  const policy = { kind: 'policy', name: 'p', version: 3 };
  expect(
    await removalsOf(
      { action: 'document.delete', document: policy },
      { action: 'document.delete', document: policy },
      {
        action: 'operator-token.revoke',
        document: { kind: 'operator', name: 'x' },
        token: 'tok_1',
      },
      { action: 'security-key.remove', query: 'key=abc' },
      { action: 'session.end', cause: 'ended_by_operator', count: 1 },
      { action: 'session.end', cause: 'ended_by_operator', session: 'ses_1' },
      { action: 'document.delete', document: { kind: 'policy', name: 'q' }, outcome: 'deny' },
      { action: 'secret.read', path: 'a/b' },
    ),
  ).toEqual({
    documents: [{ kind: 'policy', name: 'p', isWrittenAgain: false }],
    tokens: ['tok_1'],
    securityKeys: ['abc'],
    sessions: ['ses_1'],
    quarantines: [],
    attestations: [],
    evidence: [],
    approvals: [],
    wrappings: [],
  });
});

it('collects ended approvals, deleted signatures and reports, and opened answers', async () => {
  const named = (kind: string, name: string) => ({ document: { kind, name } });
  const { attestations, evidence, approvals, wrappings } = await removalsOf(
    { action: 'approval.deny', approval: 'apr_1' },
    { action: 'approval.withdraw', approval: 'apr_2' },
    { action: 'approval.use', approval: 'apr_3' },
    { action: 'approval.approve', approval: 'apr_4' },
    { action: 'attestation.delete', ...named('attestation', 'att_1') },
    { action: 'attestation.delete', ...named('attestation', 'att_2') },
    { action: 'attestation.push', ...named('attestation', 'att_2') },
    { action: 'evidence.delete', ...named('evidence', 'evi_1') },
    { action: 'evidence.delete', ...named('evidence', 'evi_2'), cause: 'unused' },
    { action: 'wrapping.open', token: 'a1' },
  );
  expect(approvals).toEqual(['apr_1', 'apr_2', 'apr_3']);
  expect([attestations, evidence, wrappings]).toEqual([['att_1'], ['evi_1'], ['a1']]);
});

it('counts a document as deleted that was written again, with a mark, because its text is lost', async () => {
  const document = { kind: 'policy', name: 'p' };
  const { documents } = await removalsOf(
    { action: 'document.delete', document },
    { action: 'document.write', document },
  );
  expect(documents).toEqual([{ ...document, isWrittenAgain: true }]);
});

it.each([
  ['a workload', { workload }, { kind: 'workload', subject: workload }],
  ['a pod', { pod }, { kind: 'pod', subject: 'c1/uid-1' }],
  [
    'an operator',
    { document: { kind: 'operator', name: 'eve' } },
    { kind: 'operator', subject: 'eve' },
  ],
])('collects the quarantine of %s, with its end', async (_what, facts, scope) => {
  const { quarantines } = await removalsOf({ ...create, ...facts, endsAt: TIME });
  expect(quarantines).toEqual([
    {
      ...scope,
      id: 'qua_1',
      mode: undefined,
      alert: undefined,
      reason: 'stolen',
      createdBy: 'ada',
      createdAt: Date.parse(TIME),
      endsAt: Date.parse(TIME),
    },
  ]);
});

it('leaves out a quarantine that was lifted later, and keeps one that was created again', async () => {
  const lift = { action: 'quarantine.lift', workload };
  const again = { ...create, workload, quarantine: 'qua_2' };
  expect((await removalsOf({ ...create, workload }, lift)).quarantines).toEqual([]);
  expect((await removalsOf({ ...create, workload }, lift, again)).quarantines).toMatchObject([
    { id: 'qua_2' },
  ]);
});
