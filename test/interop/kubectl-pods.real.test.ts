import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { runPostureCheck } from '../../src/cli/verbs/posture-check.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createNamespace, createPod, createServiceAccount } from '../kit/backends/kube-objects.ts';
import { Kubectl } from '../kit/backends/kubectl.ts';
import { cliContext } from '../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../kit/files/file-tree.ts';

removeTreesAfterEach();

describeWith(['kube', 'kubectl'], 'posture check of pods that kubectl prints', (programs) => {
  const { kube } = programs;

  it('finds the pod that violates a standard, among all that run', async () => {
    const namespace = (await createNamespace(kube)).metadata.name;
    await createServiceAccount(kube, namespace, 'app');
    const pod = { namespace, serviceAccount: 'app' };
    await createPod(kube, { ...pod, name: 'fit' });
    await createPod(kube, { ...pod, name: 'unfit', spec: { hostNetwork: true } });
    const kubectl = await Kubectl.with(programs.kubectl, kube);
    const pods = await kubectl.ok(['get', 'pods', '--namespace', namespace, '-o', 'yaml']);
    const place = join(await fileTree({ 'pods.yaml': pods }), 'pods.yaml');
    const context = cliContext({});
    const options = { level: 'baseline', kubernetes: 'latest' } as const;
    expect(await runPostureCheck(context, { args: [place], options })).toBe(1);
    const lines = context.out().split('\n');
    expect(lines.filter((line) => /^(?:ok|FAIL)/.test(line)).sort()).toEqual([
      `FAIL Pod ${namespace}/unfit`,
      `ok   Pod ${namespace}/fit`,
    ]);
    expect(
      lines.filter((line) => line.includes('hostNetwork must be unset or false')),
    ).toHaveLength(1);
  });
});
