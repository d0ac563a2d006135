import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runPostureCheck } from '../../../../src/cli/verbs/posture-check.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';

removeTreesAfterEach();

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    spec:
      hostNetwork: true
      containers:
        - name: web
          image: web
`;
const LIST = `kind: List
items:
  - kind: Service
    metadata: { name: web }
  - kind: Pod
    metadata: { name: fit }
    spec: { containers: [{ name: fit, image: fit }] }
`;

async function check(text: string, options: { level?: 'baseline'; kubernetes?: string } = {}) {
  const place = join(await fileTree({ 'web.yaml': text }), 'web.yaml');
  const context = cliContext({});
  const exit = await runPostureCheck(context, {
    args: [place],
    options: { level: 'restricted', kubernetes: 'latest', ...options },
  });
  return { exit, lines: context.out().replaceAll(place, 'web.yaml').split('\n') };
}

describe('posture check', () => {
  it('names the place, the problem and the check of each violation', async () => {
    const { exit, lines } = await check(DEPLOYMENT, { level: 'baseline' });
    expect({ exit, lines }).toEqual({
      exit: 1,
      lines: [
        'FAIL Deployment web',
        '     web.yaml:7:20: /spec/template/spec/hostNetwork must be unset or false (hostNamespaces)',
        '0 conform to baseline v1.37, 1 do not',
        '',
      ],
    });
  });

  it('points to the nearest value that exists if one is missing', async () => {
    const { lines } = await check(DEPLOYMENT);
    expect(lines).toContain(
      '     web.yaml:9:11: /spec/template/spec/containers/0/securityContext/runAsNonRoot must be true (runAsNonRoot)',
    );
  });

  it('checks each pod of a list, skips other objects, and uses the version that it is given', async () => {
    const { exit, lines } = await check(LIST, { level: 'baseline', kubernetes: 'v1.25' });
    expect({ exit, lines }).toEqual({
      exit: 0,
      lines: ['ok   Pod fit', '1 conform to baseline v1.25, 0 do not', ''],
    });
  });

  it('checks the template of a controller that it does not know', async () => {
    const rollout = DEPLOYMENT.replace('kind: Deployment', 'kind: Rollout');
    const { exit, lines } = await check(rollout, { level: 'baseline' });
    expect({ exit, first: lines[0] }).toEqual({ exit: 1, first: 'FAIL Rollout web' });
  });

  it.each([
    ['kind: Rollout\nspec: []\n', {}, 'there is no pod and no workload with a pod template in it'],
    ['kind: Service\n', {}, 'there is no pod and no workload with a pod template in it'],
    ['kind: Pod\nspec: []\n', {}, 'a file has a pod that Kubernetes would refuse'],
    [LIST, { kubernetes: 'v1.38' }, 'must be latest, or a version from v1.0 to v1.37'],
    [LIST, { kubernetes: '1.30' }, 'must be latest, or a version from v1.0 to v1.37'],
    ['kind: [\n', {}, 'some files are not valid YAML'],
  ])('refuses %j with %j', async (text, options, message) => {
    await expect(check(text, options)).rejects.toThrow(message);
  });
});

describe('files that are not YAML', () => {
  it('are reported by their first problems, with a hint for a template', async () => {
    const refusal = await check('b: {{ c }}\n'.repeat(9)).catch((error: unknown) => error);
    const { problems } = refusal as { problems: readonly { message: string; line?: number }[] };
    const messages = problems.map(({ line = '-', message }) => `${line} ${message}`);
    expect(messages.slice(0, 2)).toEqual([
      '1 is not valid YAML: a key must be a text',
      '2 is not valid YAML: duplicate key',
    ]);
    expect(messages.slice(5)).toEqual([
      '- and 12 more problems',
      '- looks like a template; render it first',
    ]);
  });
});
