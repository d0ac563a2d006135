import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { PodNode } from '../../src/domain/posture/pod-node.ts';
import {
  NEWEST_MINOR,
  podSecurityFindings,
  type MinorVersion,
  type PodSecurityLevel,
  type PodStandard,
} from '../../src/domain/posture/pod-security.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { opinionsOf, podPolicy } from '../kit/delivery/kyverno.ts';

/** Kyverno accepts `v1.19` to `v1.32` and `latest`: those at which a rule changed. */
const MINORS: readonly MinorVersion[] = [19, 22, 23, 25, 27, 29, 31, 32, NEWEST_MINOR];
/** The newest version whose rules Kyverno has. */
const NEWEST_OF_KYVERNO = 34;

interface Difference {
  readonly reason: string;
  readonly explains: (pod: PodNode, standard: PodStandard) => boolean;
}

/** Kyverno makes these checks at a version at which Kubernetes does not make them. */
const checksOf =
  (checks: readonly string[], isAt: (minor: MinorVersion) => boolean): Difference['explains'] =>
  (pod, { level, minor }) =>
    isAt(minor) &&
    podSecurityFindings(pod, { level, minor: NEWEST_OF_KYVERNO }).some(({ check }) =>
      checks.includes(check),
    );

/** Pods that conform here and that Kyverno refuses, with the reason. There is no other difference. */
const DIFFERENCES: readonly Difference[] = [
  {
    reason: 'Kyverno makes this check before 1.22, and Kubernetes does not',
    explains: checksOf(['capabilities_restricted'], (minor) => minor < 22),
  },
  {
    reason: 'Kyverno makes this check before 1.23, and Kubernetes does not',
    explains: checksOf(['runAsUser'], (minor) => minor < 23),
  },
  {
    reason: 'Kyverno makes this check before 1.34, and Kubernetes does not',
    explains: checksOf(['hostProbesAndHostLifecycle'], (minor) => minor < 34),
  },
  {
    reason: 'Kyverno does not know the exemptions of pods in a user namespace of Kubernetes 1.35',
    explains: checksOf(['procMount', 'runAsNonRoot', 'runAsUser'], (minor) => minor >= 35),
  },
  {
    reason: 'Kyverno does not know the system controls that Kubernetes 1.37 added',
    explains: checksOf(['sysctls'], (minor) => minor >= 37),
  },
  {
    reason:
      'Kyverno reads a manifest, in which the API server makes a volume without a source an emptyDir',
    explains: (pod, { level }) =>
      level === 'restricted' &&
      pod
        .at('spec', 'volumes')
        .items()
        .some((volume) => volume.members().length === 1),
  },
];

const standards = (['baseline', 'restricted'] as const).flatMap((level: PodSecurityLevel) =>
  MINORS.map((minor): PodStandard => ({ level, minor })),
);
const nameOf = ({ level, minor }: PodStandard): string => `${level}-${minor}`;

/** The pods with which Kubernetes tests the standards, each once, under names of their own. */
function podsIn(directory: string): readonly object[] {
  const files = globSync('*/*/*/*.yaml', { cwd: directory });
  const texts = new Set(files.map((file) => readFileSync(join(directory, file), 'utf8')));
  return [...texts].map((text, at) => {
    const pod = load(text) as { readonly metadata: object };
    return { ...pod, metadata: { ...pod.metadata, name: `pod-${at}` } };
  });
}

describeWith(['podsecurity', 'kyverno'], 'Kyverno on Pod Security Standards', (programs) => {
  let pods: readonly PodNode[];
  let refusals: ReadonlySet<string>;

  beforeAll(async () => {
    const objects = podsIn(programs.podsecurity.program);
    pods = objects.map((object) => new PodNode(object, ''));
    const policies = standards.map(({ level, minor }) => {
      const version = minor === NEWEST_MINOR ? 'latest' : `v1.${minor}`;
      const validate = { message: 'refused', podSecurity: { level, version } };
      return podPolicy(nameOf({ level, minor }), { validate });
    });
    const opinions = await opinionsOf(programs.kyverno, policies, objects);
    expect(opinions).toHaveLength(objects.length * standards.length);
    expect(opinions.filter(({ result }) => result !== 'pass' && result !== 'fail')).toEqual([]);
    refusals = new Set(
      opinions
        .filter(({ result }) => result === 'fail')
        .map(({ policy, pod }) => `${policy} ${pod}`),
    );
  }, 180_000);

  const isRefusedByKyverno = (pod: PodNode, standard: PodStandard): boolean =>
    refusals.has(`${nameOf(standard)} ${pod.at('metadata', 'name').text()}`);

  const cases = (): readonly (readonly [PodNode, PodStandard])[] =>
    pods.flatMap((pod) => standards.map((standard) => [pod, standard] as const));

  it('refuses every pod that is refused here, at each level and version', () => {
    const refused = cases().filter((each) => podSecurityFindings(...each).length > 0);
    expect(refused.length).toBeGreaterThan(1000);
    expect(refused.filter((each) => !isRefusedByKyverno(...each))).toEqual([]);
  });

  it('refuses a pod that conforms here for the known reasons only, and still for each of them', () => {
    const conforming = cases().filter((each) => podSecurityFindings(...each).length === 0);
    expect(conforming.length).toBeGreaterThan(1000);
    const seen = new Set<string>();
    const unexplained = conforming
      .filter((each) => isRefusedByKyverno(...each))
      .filter((each) => {
        const reasons = DIFFERENCES.filter(({ explains }) => explains(...each));
        for (const { reason } of reasons) seen.add(reason);
        return reasons.length === 0;
      });
    expect(unexplained.map(([pod, standard]) => [nameOf(standard), pod.value])).toEqual([]);
    expect([...seen].sort()).toEqual(DIFFERENCES.map(({ reason }) => reason).sort());
  });
});
