import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';

const run = promisify(execFile);

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
}

describeWith(['promtool'], 'promtool', ({ promtool: { program, directory } }) => {
  it('accepts the alert rules', async () => {
    const { stdout } = await run(program, ['check', 'rules', 'deploy/prometheus/alerts.yaml']);
    expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
  });

  it('accepts the expression of each panel of the dashboard', async () => {
    const text = await readFile('deploy/grafana/quaymaster.json', 'utf8');
    const { panels } = JSON.parse(text) as Dashboard;
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    // Grafana replaces its variables before it sends a query.
    const rules = expressions.map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    const file = join(directory, 'panels.yaml');
    await writeFile(file, dump({ groups: [{ name: 'panels', rules }] }));
    const { stdout } = await run(program, ['check', 'rules', file]);
    expect(stdout).toContain(`SUCCESS: ${expressions.length} rules found`);
  });
});
