import { expect, it } from '@jest/globals';
import { ENTRY_COLUMNS, entryCells } from '../../../../src/cli/verbs/audit-entry.ts';

const WHAT = ENTRY_COLUMNS.indexOf('what');
const WHO = ENTRY_COLUMNS.indexOf('who');

it.each<[string, Record<string, unknown>, string]>([
  ['the secret', { path: 'app/a', workload: 'k8s://c/n/s' }, 'app/a'],
  ['the document', { document: { kind: 'mount', name: 'app' } }, 'mount app'],
  ['the workload', { workload: 'k8s://c/n/s', query: 'by pod' }, 'k8s://c/n/s'],
  ['the pod', { pod: { cluster: 'c', uid: 'u' }, query: 'by pod' }, 'pod c/u'],
  [
    'the path at the other server of a read that it answered',
    { action: 'shadow.read', query: 'kv/data/a?version=2' },
    'kv/data/a?version=2',
  ],
])('shows %s in the column WHAT', (_what, members, text) => {
  const entry = { action: 'secret.read', outcome: 'ok', ...members };
  expect(entryCells({ index: 1, entry })[WHAT]).toBe(text);
});

it.each<[string, Record<string, unknown>, string]>([
  ['the operator', { kind: 'operator', id: 'ann' }, 'ann'],
  [
    'the workload with its pod',
    { kind: 'workload', id: 'k8s://c/n/s', podName: 's-0', podUid: 'u' },
    'k8s://c/n/s (s-0)',
  ],
  ['the workload of a token without a pod', { kind: 'workload', id: 'ci://c/i' }, 'ci://c/i'],
  ['the kind of an unknown caller', { kind: 'unauthenticated' }, 'unauthenticated'],
])('shows %s in the column WHO', (_what, actor, text) => {
  const entry = { action: 'secret.read', outcome: 'ok', actor };
  expect(entryCells({ index: 1, entry })[WHO]).toBe(text);
});
