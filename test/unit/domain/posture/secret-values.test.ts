import { describe, expect, it } from '@jest/globals';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import { compileProfile } from '../../../../src/domain/posture/profile.ts';
import {
  secretValueFindings,
  type SecretValues,
} from '../../../../src/domain/posture/secret-values.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';

const CODE = 'secret_value_in_environment';
const EQUAL = { name: 'PASSWORD', valueFingerprint: 'known' };

function valuesOf(paths: readonly string[], isComplete = true): SecretValues {
  return { isComplete, pathsOf: (fingerprint) => (fingerprint === 'known' ? paths : []) };
}

function found(
  env: readonly object[],
  values: SecretValues | undefined,
  match: object = { secretPaths: ['app/**'] },
): readonly object[] {
  const pod = { secretValuesInEnvironment: 'deny' };
  const spec = parseSpec('posture-profile', { mode: 'enforce', match, pod });
  const container = new PodNode({ name: 'web', env }, '/spec/containers/0');
  return secretValueFindings(compileProfile('p', 1, spec), container, values);
}

describe('a variable', () => {
  it('is found with the value of a secret of the profile, and the message has no path', () => {
    expect(found([{ name: 'A' }, EQUAL], valuesOf(['app/db', 'other/db']))).toEqual([
      {
        code: CODE,
        pointer: '/spec/containers/0/env/1',
        message: 'the variable "PASSWORD" of the container "web" has the value of a secret',
        equalSecrets: ['app/db'],
      },
    ]);
    expect(found([EQUAL], valuesOf(['other/db']), {})).toMatchObject([
      { equalSecrets: ['other/db'] },
    ]);
  });

  it('is not found with another value, or that of a secret that the profile is not for', () => {
    const other = { name: 'B', valueFingerprint: 'other' };
    expect(found([{ name: 'A' }, other], valuesOf(['app/db']))).toEqual([]);
    expect(found([EQUAL], valuesOf(['other/db']))).toEqual([]);
  });

  it.each<[string, object, SecretValues | undefined]>([
    ['while the values are not complete', { valueFingerprint: 'other' }, valuesOf([], false)],
    ['while no values are known', EQUAL, undefined],
    ['beyond the number that is compared', { valueFingerprint: '' }, valuesOf([])],
    ['of a submitted manifest', { value: 'sixteen-letters!' }, valuesOf(['app/db'])],
    [
      'of a submitted manifest with a fingerprint',
      { value: 'sixteen-letters!', valueFingerprint: 'known' },
      valuesOf(['app/db']),
    ],
  ])('is unknown %s', (...[, variable, values]) => {
    expect(found([variable, variable], values)).toEqual([
      expect.objectContaining({ code: CODE, isUnknown: true }),
    ]);
  });

  it('is found although other values are not known yet', () => {
    const other = { name: 'B', valueFingerprint: 'other' };
    expect(found([EQUAL, other], valuesOf(['app/db'], false))).toMatchObject([
      { equalSecrets: ['app/db'] },
      { isUnknown: true },
    ]);
  });
});
