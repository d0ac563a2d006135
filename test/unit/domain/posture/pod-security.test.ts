import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import {
  NEWEST_MINOR,
  podSecurityFindings,
  type PodSecurityLevel,
} from '../../../../src/domain/posture/pod-security.ts';
import { MalformedJson } from '../../../../src/domain/text/json-node.ts';

const FIT = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

function restrictedPod(changes: object = {}): unknown {
  return {
    metadata: { name: 'web' },
    spec: {
      containers: [{ name: 'web', image: 'web', securityContext: FIT }],
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      ...changes,
    },
  };
}

function findingsOf(
  pod: unknown,
  level: PodSecurityLevel = 'restricted',
  minor = NEWEST_MINOR,
): readonly string[] {
  return podSecurityFindings(new PodNode(pod, ''), { level, minor }).map(
    ({ check, pointer }) => `${check} ${pointer}`,
  );
}

describe('Pod Security Standards', () => {
  it('accepts a restricted pod', () => {
    expect(findingsOf(restrictedPod())).toEqual([]);
  });

  it('judges an ephemeral container like any other, with the place of each value', () => {
    const ephemeralContainers = [{ name: 'debug', securityContext: { privileged: true } }];
    expect(findingsOf(restrictedPod({ ephemeralContainers }))).toEqual([
      'privileged /spec/ephemeralContainers/0/securityContext/privileged',
      'allowPrivilegeEscalation /spec/ephemeralContainers/0/securityContext/allowPrivilegeEscalation',
      'capabilities_restricted /spec/ephemeralContainers/0/securityContext/capabilities/drop',
    ]);
  });

  it('reads null as absent', () => {
    expect(
      findingsOf(restrictedPod({ hostNetwork: null, volumes: null, hostUsers: null })),
    ).toEqual([]);
  });

  it('has the rules of the newest known version for versions after it', () => {
    const sysctls = [{ name: 'net.ipv4.tcp_notsent_lowat', value: '1' }];
    const pod = { spec: { containers: [], securityContext: { sysctls } } };
    expect(findingsOf(pod, 'baseline', 99)).toEqual([]);
    expect(findingsOf(pod, 'baseline', 36)).toEqual([
      'sysctls /spec/securityContext/sysctls/0/name',
    ]);
  });

  it.each([
    ['a profile without a type', { securityContext: { runAsNonRoot: true, seccompProfile: {} } }],
    ['a volume with a second, forbidden source', { volumes: [{ emptyDir: {}, hostPath: {} }] }],
    ['a boolean written as a string', { hostPID: 'false' }],
    ['a user that is not an integer', { containers: [{ securityContext: { runAsUser: '0' } }] }],
  ])('refuses %s', (_what, changes) => {
    expect(findingsOf(restrictedPod(changes))).not.toEqual([]);
  });

  it.each([
    [{ spec: { containers: {} } }, '/spec/containers must be a list'],
    [{ spec: [] }, '/spec must be an object'],
    ['pod', 'the pod must be an object'],
    [
      { spec: { containers: [{ securityContext: { seccompProfile: { type: 1 } } }] } },
      '/spec/containers/0/securityContext/seccompProfile/type must be a string',
    ],
  ])('does not judge what is not a pod: %j', (pod, message) => {
    expect(() => findingsOf(pod)).toThrow(MalformedJson);
    expect(() => findingsOf(pod)).toThrow(message);
  });

  it('never takes a setting from the prototype of an object', () => {
    const context = JSON.parse('{"__proto__": {"runAsNonRoot": true}}') as object;
    const containers = [{ securityContext: { ...FIT, seccompProfile: { type: 'Localhost' } } }];
    expect(findingsOf({ spec: { containers, securityContext: context } })).toEqual([
      'runAsNonRoot /spec/containers/0/securityContext/runAsNonRoot',
    ]);
  });

  it('accepts or refuses any JSON, and what restricted accepts, baseline accepts', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.nat({ max: 40 }), (spec, minor) => {
        try {
          if (findingsOf({ spec }, 'restricted', minor).length > 0) return;
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedJson);
          return;
        }
        expect(findingsOf({ spec }, 'baseline', minor)).toEqual([]);
      }),
    );
  });
});
