import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { imageReference, runningDigest } from '../../../../src/domain/posture/image-reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('an image reference', () => {
  it.each<[string, string, string?]>([
    ['web', 'web'],
    ['web:1.27', 'web'],
    ['acme/web:v1', 'acme/web'],
    ['registry.test/web', 'registry.test/web'],
    ['registry.test:5000/team/web:v1', 'registry.test:5000/team/web'],
    ['REGISTRY.test/web', 'registry.test/web'],
    ['localhost/web', 'localhost/web'],
    ['[::1]:5000/web', '[::1]:5000/web'],
    [`registry.test/web@${DIGEST}`, 'registry.test/web', DIGEST],
    [`registry.test/web:v1@${DIGEST}`, 'registry.test/web', DIGEST],
  ])('%s is %s', (...[text, repository, digest]) => {
    expect(imageReference(text)).toEqual({ repository, digest });
  });

  it.each([
    '',
    'Web',
    'web:',
    ':v1',
    '/web',
    'web/',
    'a//b',
    'web@sha256:abc',
    'web@x@y',
    'we b',
    'registry.test/../web',
    'registry.test/web:v1:v2',
    'a'.repeat(2_000),
    'web@',
  ])('%j is none', (text) => {
    expect(imageReference(text)).toBeUndefined();
  });

  it('never throws, and its repository has no tag, no digest and no empty segment', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        const { repository } = imageReference(text) ?? { repository: 'none' };
        expect(repository).not.toMatch(/@|^\/|\/\/|\/$|:[^/\]]*[a-z][^/]*$/);
      }),
    );
  });
});

describe('the digest of a running image', () => {
  it.each([
    [`registry.test/web@${DIGEST}`, DIGEST],
    [`docker-pullable://registry.test/web@${DIGEST}`, DIGEST],
    [DIGEST, DIGEST],
    ['', undefined],
    ['registry.test/web:v1', undefined],
    [undefined, undefined],
  ])('is read from %s: %s', (imageId, digest) => {
    expect(runningDigest(imageId)).toBe(digest);
  });
});
