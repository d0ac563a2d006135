import { expect, it } from '@jest/globals';
import { ENTRY_COLUMNS, entryCells } from '../../../../src/cli/verbs/audit-entry.ts';

const WHAT = ENTRY_COLUMNS.indexOf('what');

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
