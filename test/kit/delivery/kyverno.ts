import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { runTool } from '../backends/run-tool.ts';
import type { Tool } from '../backends/tool.ts';

const report = z.object({
  results: z.array(
    z.object({
      policy: z.string(),
      result: z.enum(['pass', 'fail', 'warn', 'error', 'skip']),
      message: z.string().optional(),
      resources: z.tuple([z.object({ name: z.string() })]),
    }),
  ),
});

/** Verdict of one policy about one pod. */
export interface Opinion {
  readonly policy: string;
  readonly pod: string;
  readonly result: 'pass' | 'fail' | 'warn' | 'error' | 'skip';
  readonly message: string;
}

/** A policy of Kyverno with one rule, which is about every pod. */
export function podPolicy(name: string, rule: object): object {
  const match = { any: [{ resources: { kinds: ['Pod'] } }] };
  return {
    apiVersion: 'kyverno.io/v1',
    kind: 'ClusterPolicy',
    metadata: { name, annotations: { 'pod-policies.kyverno.io/autogen-controllers': 'none' } },
    spec: { validationFailureAction: 'Enforce', rules: [{ name: 'only', match, ...rule }] },
  };
}

/** The opinions of all policies on all pods, from one run of Kyverno. It takes seconds to start. */
export async function opinionsOf(
  kyverno: Tool,
  policies: readonly object[],
  pods: readonly object[],
  options: readonly string[] = [],
): Promise<readonly Opinion[]> {
  const directory = await mkdtemp(join(kyverno.directory, 'opinions-'));
  const write = async (name: string, objects: readonly object[]): Promise<string> => {
    const file = join(directory, name);
    await writeFile(file, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
    return file;
  };
  const files = [
    await write('policies.yaml', policies),
    '--resource',
    await write('pods.yaml', pods),
  ];
  const format = ['--policy-report', '--output-format', 'json', '--remove-color'];
  const { stdout, stderr } = await runTool(kyverno, ['apply', ...files, ...format, ...options]);
  await rm(directory, { recursive: true });
  const line = stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`Kyverno reported nothing: ${stdout}${stderr}`);
  return report
    .parse(JSON.parse(line))
    .results.map(({ policy, result, message = '', resources }) => ({
      policy,
      result,
      message,
      pod: resources[0].name,
    }));
}
