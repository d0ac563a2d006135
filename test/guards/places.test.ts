import { describe, expect, it } from '@jest/globals';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

/** Written in parts, because the guard checks this file too. */
const REGISTRIES = [
  ['registry', 'npmjs', 'org'],
  ['npmjs', 'com'],
  ['yarnpkg', 'com'],
  ['pypi', 'org'],
  ['pythonhosted', 'org'],
  ['proxy', 'golang', 'org'],
  ['docker', 'io'],
  ['gcr', 'io'],
  ['ghcr', 'io'],
  ['registry', 'k8s', 'io'],
].map((parts) => parts.join('.'));
/** Home and work directories of a developer's machine; `/root` alone is also a secret's path in the tests. */
const MACHINE_PATH =
  /(?<![\w.*:}])\/(?:home|Users)\/[a-z][\w.-]*\/|(?<![\w.*:}/])\/(?:work(?:space)?\/|root\/\.)\w/;

describe('tracked files', () => {
  const files = trackedFiles().filter((path) => !path.startsWith('test/vectors/'));

  it('exist, so that the checks below are not empty', () => {
    expect(files.length).toBeGreaterThan(100);
  });

  it('name no package registry, so that every mirror works', () => {
    const found = files.filter((path) => REGISTRIES.some((host) => textOf(path).includes(host)));
    expect(found).toEqual([]);
  });

  it('name no directory of the machine that they were written on', () => {
    const found = files.flatMap((path) =>
      textOf(path)
        .split('\n')
        .filter((line) => MACHINE_PATH.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});
