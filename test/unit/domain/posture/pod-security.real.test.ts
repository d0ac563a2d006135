import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import {
  podSecurityFindings,
  type PodSecurityLevel,
} from '../../../../src/domain/posture/pod-security.ts';
import { describeWith } from '../../../kit/backends/backends.ts';

interface Fixture {
  /** `<level>/v1.<minor>/<pass or fail>/<check><number>.yaml` */
  readonly file: string;
  readonly findings: readonly string[];
}

/** The same pod is in the folders of many versions. */
const parsed = new Map<string, PodNode>();
function podOf(text: string): PodNode {
  const pod = parsed.get(text) ?? new PodNode(load(text), '');
  parsed.set(text, pod);
  return pod;
}

/** The checks that each pod of Kubernetes' own tests violates here, one pod for a level, a version and a check. */
function judge(directory: string, verdict: 'pass' | 'fail'): readonly Fixture[] {
  return globSync(`*/*/${verdict}/*.yaml`, { cwd: directory }).map((file) => {
    const [level = '', version = ''] = file.split('/');
    const pod = podOf(readFileSync(join(directory, file), 'utf8'));
    const minor = Number(version.replace('v1.', ''));
    const findings = podSecurityFindings(pod, { level: level as PodSecurityLevel, minor });
    return { file, findings: findings.map(({ check }) => check.toLowerCase()) };
  });
}

const checkOf = (file: string): string => /([a-z_]+)\d*\.yaml$/.exec(file)?.[1] ?? '';

describeWith(['podsecurity'], 'Pod Security Standards', ({ podsecurity: { program } }) => {
  it('accepts every pod that Kubernetes accepts, at each level and version', () => {
    const pods = judge(program, 'pass');
    expect(pods).toHaveLength(1051);
    expect(pods.filter(({ findings }) => findings.length > 0)).toEqual([]);
  });

  it('refuses every pod that Kubernetes refuses, for the same check or the one that replaces it', () => {
    const pods = judge(program, 'fail');
    expect(pods).toHaveLength(3486);
    const others = pods.flatMap(({ file, findings }) => {
      const check = checkOf(file);
      return findings.filter((found) => found !== check).map((found) => `${check}: ${found}`);
    });
    expect(pods.filter(({ findings }) => findings.length === 0)).toEqual([]);
    expect([...new Set(others)].sort()).toEqual([
      // A container without any security context.
      'allowprivilegeescalation: capabilities_restricted',
      'capabilities_baseline: capabilities_restricted',
      'hostpathvolumes: restrictedvolumes',
      'privileged: allowprivilegeescalation',
      'procmount: procmount_restricted',
      'seccompprofile_baseline: seccompprofile_restricted',
      // Host processes of Windows need the network of the host.
      'windowshostprocess: hostnamespaces',
    ]);
  });
});
