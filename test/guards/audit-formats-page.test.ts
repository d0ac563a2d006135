import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { ACTION_ROWS } from '../../src/domain/audit/audit-actions.ts';
import { OCSF_CLASSES } from '../../src/domain/audit/format-row.ts';

it('internals/spec/audit-formats-v1.md has the row of each action', () => {
  const page = readFileSync('internals/spec/audit-formats-v1.md', 'utf8');
  const [, table = ''] = page.split('## Actions\n');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    Object.entries(ACTION_ROWS).map(
      ([action, { class: ocsf, activity, severity, verb, resource }]) =>
        `| \`${action}\` | ${OCSF_CLASSES[ocsf].class} | ${activity} | ${severity} | \`${verb}\` | \`${resource}\` |`,
    ),
  );
});
