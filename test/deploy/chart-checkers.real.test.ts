import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { runHelm } from '../kit/backends/helm-calls.ts';
import { runTool } from '../kit/backends/run-tool.ts';
import { CHART, VALUES, VARIANTS } from './chart.ts';

/** A part of kube-score's output. Grade 10 is the best. */
interface Scored {
  readonly type_meta: { readonly kind: string };
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
  }[];
}

const ROW = /^\| `([a-z-]+)` \| ([A-Za-z, ]+) \|/gm;

/** The findings that internals/chart-findings.md argues, each as check and kind. */
function arguedFindings(): readonly string[] {
  const page = readFileSync('internals/chart-findings.md', 'utf8');
  return [...page.matchAll(ROW)].flatMap(([, check = '', kinds = '']) =>
    kinds.split(', ').map((kind) => `${check} ${kind}`),
  );
}

describeWith(['helm', 'kubescore'], 'the chart by kube-score', ({ helm, kubescore }) => {
  it('has exactly the findings that internals/chart-findings.md argues', async () => {
    const found = new Set<string>();
    for (const values of Object.values(VARIANTS)) {
      const args = ['template', 'quaymaster', CHART, '--namespace', 'quaymaster', ...VALUES];
      const { stdout: input } = await runHelm(helm, args, values);
      const options = ['--kubernetes-version', 'v1.29', '--output-format', 'json', '-'];
      const { stdout } = await runTool(kubescore, ['score', ...options], { input });
      for (const { type_meta: type, checks } of JSON.parse(stdout) as readonly Scored[])
        for (const { check, grade, skipped } of checks)
          if (grade < 10 && !skipped) found.add(`${check.id} ${type.kind}`);
    }
    expect([...found].sort()).toEqual([...arguedFindings()].sort());
  });
});
