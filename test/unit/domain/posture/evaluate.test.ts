import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { evaluate, type PodSnapshot } from '../../../../src/domain/posture/evaluate.ts';
import type { Evidence, EvidenceOf } from '../../../../src/domain/posture/evidence.ts';
import type { PostureFinding } from '../../../../src/domain/posture/finding.ts';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import { compileProfile, isForPod } from '../../../../src/domain/posture/profile.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import { NOTHING_SIGNED } from '../../../kit/images/unsigned-images.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const HUB = ['docker', 'io'].join('.');
const STRICT = {
  mode: 'enforce',
  pod: {
    securityStandard: { level: 'baseline', version: 'v1.34' },
    ephemeralContainers: 'deny',
    defaultServiceAccount: 'deny',
    serviceAccountToken: 'deny',
    secretsInEnvironment: 'deny',
    resourceLimits: 'required',
  },
  image: {
    registries: ['registry.test/prod/**'],
    digest: 'pinned',
    deniedDigests: [OTHER],
  },
};
const CONTAINER = {
  name: 'web',
  image: `registry.test/prod/web@${DIGEST}`,
  resources: { limits: { cpu: '1', memory: '64Mi' } },
};
const GOOD = {
  metadata: { name: 'web-0', namespace: 'prod', uid: 'u1' },
  spec: { serviceAccountName: 'web', containers: [CONTAINER] },
};

function findings(
  document: object,
  pod: unknown,
  now = NOW,
  evidenceOf: EvidenceOf = () => [],
): readonly Pick<PostureFinding, 'code' | 'status' | 'container'>[] {
  const profile = compileProfile('strict', 1, parseSpec('posture-profile', document));
  const snapshot = snapshotOf(pod, evidenceOf);
  return evaluate(profile, snapshot, now).findings.map(({ code, status, container }) => ({
    code,
    status,
    ...(container !== undefined && { container }),
  }));
}

/** The status of a pod whose container runs this image. */
function runs(imageID: string, name = 'web'): object {
  return { containerStatuses: [{ name, imageID }] };
}

function snapshotOf(pod: unknown, evidenceOf: EvidenceOf = () => []): PodSnapshot {
  return {
    cluster: 'c1',
    name: 'prod/web-0',
    pod: pod === undefined ? undefined : new PodNode(pod, ''),
    trust: NOTHING_SIGNED,
    evidenceOf,
  };
}

function withContainer(change: object, spec: object = {}): object {
  return { ...GOOD, spec: { ...GOOD.spec, ...spec, containers: [{ ...CONTAINER, ...change }] } };
}

describe('a posture profile', () => {
  it('finds nothing at a pod that meets it', () => {
    expect(findings(STRICT, GOOD)).toEqual([]);
  });

  it.each<[string, object, object]>([
    ['host access', withContainer({}, { hostNetwork: true }), { code: 'pod_security' }],
    [
      'an ephemeral container',
      withContainer({}, { ephemeralContainers: [{ ...CONTAINER, name: 'debug' }] }),
      { code: 'ephemeral_container', container: 'debug' },
    ],
    [
      'the default service account',
      withContainer({}, { serviceAccountName: undefined }),
      { code: 'default_service_account' },
    ],
    [
      'a mounted token of the Kubernetes API',
      withContainer({
        volumeMounts: [{ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
      }),
      { code: 'service_account_token' },
    ],
    [
      'a secret in a variable',
      withContainer({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
      { code: 'secret_in_environment', container: 'web' },
    ],
    [
      'a secret as all variables',
      withContainer({ envFrom: [{ secretRef: { name: 's' } }] }),
      { code: 'secret_in_environment', container: 'web' },
    ],
    [
      'a missing limit',
      withContainer({ resources: { limits: { cpu: '1' } } }),
      { code: 'resource_limits', container: 'web' },
    ],
    [
      'another registry',
      withContainer({ image: `registry.test/dev/web@${DIGEST}` }),
      { code: 'registry', container: 'web' },
    ],
    [
      'a denied digest',
      withContainer({ image: `registry.test/prod/web@${OTHER}` }),
      { code: 'image_denied', container: 'web' },
    ],
    [
      'an invalid image name',
      withContainer({ image: 'Registry.test/prod/Web' }),
      { code: 'image_malformed', container: 'web' },
    ],
    ['a value of the wrong type', withContainer({ image: 7 }), { code: 'pod_malformed' }],
  ])('refuses %s', (_what, pod, finding) => {
    expect(findings(STRICT, pod)).toEqual([{ ...finding, status: 'fail' }]);
  });

  it('finds a denied digest that runs under an allowed name', () => {
    const status = runs(`registry.test/x@${OTHER}`);
    expect(findings(STRICT, { ...GOOD, status })).toEqual([
      { code: 'registry', status: 'fail', container: 'web' },
      { code: 'digest_mismatch', status: 'fail', container: 'web' },
      { code: 'image_denied', status: 'fail', container: 'web' },
    ]);
  });

  it('takes two digests for one image if a report names both (RS11)', () => {
    const status = { containerStatuses: [{ name: 'web', imageID: `registry.test/x@${OTHER}` }] };
    const pinned = { mode: 'enforce', image: { digest: 'pinned' } };
    const judge = (digests: readonly string[], scope: readonly string[] = []): readonly object[] =>
      findings(pinned, { ...GOOD, status }, NOW, (digest) =>
        digests.includes(digest)
          ? [{ kind: 'vulnerabilities', writer: 'scanner', digests, scope } as unknown as Evidence]
          : [],
      );
    expect(judge([DIGEST, OTHER])).toEqual([]);
    expect(judge([DIGEST])).toMatchObject([{ code: 'digest_mismatch' }]);
    expect(judge([DIGEST, OTHER], ['registry.test/other'])).toMatchObject([
      { code: 'digest_mismatch' },
    ]);
  });

  const FROM = { mode: 'enforce', image: { registries: ['registry.test/prod/**', 'nginx'] } };
  it.each<[string, string, string, boolean]>([
    ['the digest that it names', `prod/web@${DIGEST}`, `registry.test/x@${DIGEST}`, true],
    [
      'another digest of the repository',
      `prod/web@${DIGEST}`,
      `registry.test/prod/web@${OTHER}`,
      true,
    ],
    ['a digest without a repository', `prod/web@${DIGEST}`, OTHER, true],
    ['another image than it names', `prod/web@${DIGEST}`, `evil.test/x@${OTHER}`, false],
    ['another image than its tag', 'prod/web:1', `evil.test/x@${OTHER}`, false],
    ['its tag', 'prod/web:1', `registry.test/prod/web@${OTHER}`, true],
    [
      'its tag, with a scheme',
      'prod/web:1',
      `docker-pullable://registry.test/prod/web@${OTHER}`,
      true,
    ],
  ])('looks at the repository of what runs: %s', (_, name, imageID, isAllowed) => {
    const pod = { ...withContainer({ image: `registry.test/${name}` }), status: runs(imageID) };
    expect(findings(FROM, pod).map(({ code }) => code)).toEqual(isAllowed ? [] : ['registry']);
  });

  it('takes a name without a host for the one of Docker Hub that runs', () => {
    const pod = (imageID: string) => ({
      ...withContainer({ image: 'nginx:1' }),
      status: runs(imageID),
    });
    expect(findings(FROM, pod(`${HUB}/library/nginx@${OTHER}`))).toEqual([]);
    expect(findings(FROM, pod(`evil.test/library/nginx@${OTHER}`))).toHaveLength(1);
  });

  const INDEXED = `sha256:${'1'.repeat(64)}`;
  const AMD = `sha256:${'2'.repeat(64)}`;
  const ARM = `sha256:${'3'.repeat(64)}`;
  /** Reports of two platforms of one index. */
  const linked: EvidenceOf = (digest) =>
    [
      [INDEXED, AMD],
      [INDEXED, ARM],
    ]
      .filter((digests) => digests.includes(digest))
      .map(
        (digests) =>
          ({
            kind: 'vulnerabilities',
            writer: 'scanner',
            scope: [],
            digests,
          }) as unknown as Evidence,
      );
  const THREE = [INDEXED, AMD, ARM];
  it.each(
    THREE.flatMap((denied) =>
      THREE.flatMap((named) =>
        [undefined, ...THREE].map((running) => [denied, named, running] as const),
      ),
    ),
  )('denies all digests of one image: denied %s, named %s, runs %s', (denied, named, running) => {
    const document = { mode: 'enforce', image: { deniedDigests: [denied] } };
    const pod = {
      ...withContainer({ image: `registry.test/prod/web@${named}` }),
      ...(running !== undefined && { status: runs(`registry.test/prod/web@${running}`) }),
    };
    expect(findings(document, pod, NOW, linked)).toMatchObject([{ code: 'image_denied' }]);
    const unlinked = findings(document, pod, NOW);
    expect(unlinked).toHaveLength(named === denied || running === denied ? 1 : 0);
  });

  it('does not know the digest of an image by tag that was not pulled, and does after it was', () => {
    const document = { mode: 'enforce', image: { deniedDigests: [OTHER] } };
    const pod = withContainer({ image: 'registry.test/prod/web:v1' });
    expect(findings(document, pod)).toEqual([
      { code: 'image_unknown', status: 'unknown', container: 'web' },
    ]);
    const status = { containerStatuses: [{ name: 'web', imageID: DIGEST }] };
    expect(findings(document, { ...pod, status })).toEqual([]);
  });

  it('refuses an unknown pod, unless the profile tolerates what is unknown', () => {
    const unknown = { code: 'pod_unknown', status: 'unknown' };
    expect(findings(STRICT, undefined)).toEqual([unknown]);
    const tolerated = [{ ...unknown, status: 'tolerated' }];
    expect(findings({ ...STRICT, onUnknown: 'allow' }, undefined)).toEqual(tolerated);
    const own = { ...STRICT, onUnknown: 'deny', pod: { ...STRICT.pod, onUnknown: 'allow' } };
    expect(findings(own, undefined)).toEqual(tolerated);
  });

  it('skips an ignored container in all checks but the Pod Security Standard', () => {
    const proxy = { name: 'istio-proxy', image: 'mesh.test/istio/proxyv2:1.27' };
    const pod = { ...GOOD, spec: { ...GOOD.spec, initContainers: [proxy] } };
    expect(findings(STRICT, pod)).not.toEqual([]);
    const ignored = {
      ...STRICT,
      ignoreContainers: [{ name: 'istio-*', image: 'mesh.test/istio/*' }],
    };
    expect(findings(ignored, pod)).toEqual([]);
    const other = { ...proxy, image: 'mesh.test/evil/proxyv2' };
    const posed = { ...GOOD, spec: { ...GOOD.spec, initContainers: [other] } };
    expect(findings(ignored, posed)).not.toEqual([]);
    const privileged = { ...proxy, securityContext: { privileged: true } };
    const open = { ...GOOD, spec: { ...GOOD.spec, initContainers: [privileged] } };
    expect(findings(ignored, open)).toEqual([{ code: 'pod_security', status: 'fail' }]);
  });

  const PROXY = 'mesh.test/istio/proxyv2';
  it.each<[string, string, string | undefined, boolean]>([
    ['not yet pulled', `${PROXY}:1`, undefined, true],
    ['the same repository', `${PROXY}:1`, `${PROXY}@${OTHER}`, true],
    ['another ignored repository', `${PROXY}:1`, `mesh.test/istio/pilot@${OTHER}`, true],
    ['another repository', `${PROXY}:1`, `evil.test/x@${OTHER}`, false],
    ['another repository than it pins', `${PROXY}@${DIGEST}`, `evil.test/x@${OTHER}`, false],
    [
      'the digest that it pins, under any name',
      `${PROXY}@${DIGEST}`,
      `evil.test/x@${DIGEST}`,
      true,
    ],
    ['no repository', `${PROXY}:1`, OTHER, false],
  ])('ignores a container by what it names and what runs: %s', (_, image, imageID, isIgnored) => {
    const document = {
      mode: 'enforce',
      image: { digest: 'pinned', registries: ['registry.test/prod/**'] },
      ignoreContainers: [{ name: 'istio-*', image: 'mesh.test/istio/*' }],
    };
    const containers = [CONTAINER, { name: 'istio-proxy', image }];
    const pod = {
      ...GOOD,
      spec: { ...GOOD.spec, containers },
      ...(imageID !== undefined && { status: runs(imageID, 'istio-proxy') }),
    };
    expect(findings(document, pod).length === 0).toBe(isIgnored);
  });

  it('applies an exception to its pods and images until its day', () => {
    const exception = { check: 'registry', until: '2026-11-28', reason: 'moving', owner: 'alice' };
    const pod = withContainer({ image: `registry.test/dev/web@${DIGEST}` });
    const excepted = (more: object, now = NOW): readonly string[] =>
      findings({ ...STRICT, exceptions: [{ ...exception, ...more }] }, pod, now).map(
        ({ status }) => status,
      );
    expect(excepted({})).toEqual(['excepted']);
    expect(excepted({}, Date.parse('2026-11-28'))).toEqual(['fail']);
    expect(excepted({ pods: ['prod/web-*'] })).toEqual(['excepted']);
    expect(excepted({ pods: ['dev/*'] })).toEqual(['fail']);
    expect(excepted({ images: ['registry.test/dev/*'] })).toEqual(['excepted']);
    expect(excepted({ images: ['registry.test/prod/*'] })).toEqual(['fail']);
    expect(excepted({ check: 'image_denied' })).toEqual(['fail']);
  });

  it('never throws and never passes a pod of another shape without a finding', () => {
    const profile = compileProfile('strict', 1, parseSpec('posture-profile', STRICT));
    const shapes = fc.record(
      {
        metadata: fc.anything(),
        spec: fc.record({ containers: fc.anything(), initContainers: fc.anything() }),
        status: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(shapes, (pod) => {
        const { findings: found } = evaluate(profile, snapshotOf(pod), NOW);
        expect(found.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('a profile for labels of namespaces', () => {
  const document = { ...STRICT, match: { namespaceLabels: { env: 'prod' } } };
  const profile = (more: object = {}) =>
    compileProfile('strict', 1, parseSpec('posture-profile', { ...document, ...more }));
  const place = { cluster: 'c1', namespace: 'prod', labels: new Map<string, string>() };
  const labelled = (env: string) => ({ ...place, namespaceLabels: new Map([['env', env]]) });
  const bad = { ...snapshotOf(withContainer({}, { hostNetwork: true })), ...place };
  const found = (more: object, around: object): readonly string[] =>
    evaluate(profile(more), { ...bad, ...around }, NOW).findings.map(
      ({ code, status }) => `${code} ${status}`,
    );

  it('is for the namespaces that have them, and for all while they are not known', () => {
    expect(isForPod(profile(), labelled('prod'))).toBe(true);
    expect(isForPod(profile(), labelled('dev'))).toBe(false);
    expect(isForPod(profile(), { ...place, namespaceLabels: new Map() })).toBe(false);
    expect(isForPod(profile(), { ...place, namespaceLabels: undefined })).toBe(true);
  });

  it('finds only that they are not known, and onUnknown decides', () => {
    expect(found({}, labelled('prod'))).toEqual(['pod_security fail']);
    expect(found({}, {})).toEqual(['namespace_unknown unknown']);
    expect(found({ onUnknown: 'allow' }, {})).toEqual(['namespace_unknown tolerated']);
  });
});

describe('a profile that requires a NetworkPolicy', () => {
  const document = { mode: 'enforce', pod: { networkPolicy: 'required' } };
  const WEB = { requirements: [{ key: 'app', operator: 'In', values: ['web'] }] } as const;
  const ALL = { requirements: [] };
  const found = (around: object, pod: object = GOOD, more: object = {}): readonly string[] => {
    const profile = compileProfile(
      'net',
      1,
      parseSpec('posture-profile', { ...document, ...more }),
    );
    const labels = new Map([['app', 'web']]);
    return evaluate(profile, { ...snapshotOf(pod), labels, ...around }, NOW).findings.map(
      ({ code, status }) => `${code} ${status}`,
    );
  };

  it('is met if one with egress selects the pod', () => {
    expect(found({ egressSelectors: [WEB] })).toEqual([]);
    expect(found({ egressSelectors: [ALL] })).toEqual([]);
    expect(found({ egressSelectors: [] })).toEqual(['network_policy fail']);
    const labels = new Map([['app', 'api']]);
    expect(found({ egressSelectors: [WEB], labels })).toEqual(['network_policy fail']);
  });

  it('is never met in the network of the node (EV09)', () => {
    const pod = withContainer({}, { hostNetwork: true });
    expect(found({ egressSelectors: [ALL] }, pod)).toEqual(['network_policy fail']);
  });

  it('lets onUnknown decide while policies or labels are not known', () => {
    expect(found({})).toEqual(['network_policy unknown']);
    expect(found({ egressSelectors: [ALL], labels: undefined })).toEqual([
      'network_policy unknown',
    ]);
    expect(found({}, GOOD, { onUnknown: 'allow' })).toEqual(['network_policy tolerated']);
    const pod = { networkPolicy: 'required', onUnknown: 'allow' };
    expect(found({}, GOOD, { pod })).toEqual(['network_policy tolerated']);
  });
});

describe('the document of a posture profile', () => {
  it.each<[string, object, string]>([
    ['checks nothing', { mode: 'enforce' }, '/pod'],
    ['has an unknown field', { ...STRICT, images: {} }, '/images'],
    ['has another mode', { ...STRICT, mode: 'block' }, '/mode'],
    ['names a future version', withStandard('v1.99'), '/pod/securityStandard/version'],
    [
      'has a short digest',
      { mode: 'warn', image: { deniedDigests: ['sha256:ab'] } },
      '/image/deniedDigests/0',
    ],
    [
      'has "**" within a segment',
      { mode: 'warn', image: { registries: ['a/b**'] } },
      '/image/registries/0',
    ],
    [
      'has three "**"',
      { mode: 'warn', image: { registries: ['**/a/**/b/**'] } },
      '/image/registries/0',
    ],
    [
      'has an exception without a day',
      { ...STRICT, exceptions: [{ check: 'registry', until: 'never', reason: 'r', owner: 'o' }] },
      '/exceptions/0/until',
    ],
  ])('is refused with its position if it %s', (_what, document, pointer) => {
    let problems: readonly { readonly pointer: string }[] = [];
    try {
      parseSpec('posture-profile', document);
    } catch (error) {
      problems = (error as { problems: typeof problems }).problems;
    }
    expect(problems.map((problem) => problem.pointer)).toContain(pointer);
  });
});

function withStandard(version: string): object {
  return { mode: 'enforce', pod: { securityStandard: { level: 'baseline', version } } };
}
