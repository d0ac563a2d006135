import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { wantedBackends, type RunConfig } from './wanted-backends.ts';

describe('wantedBackends', () => {
  let rootDir = '';

  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'quaymaster-wanted-'));
    // The run of this suite may have a part of all suites.
    process.env['SUITES'] = 'all';
    await mkdir(join(rootDir, 'test', 'auth'), { recursive: true });
    const write = (name: string, text: string) => writeFile(join(rootDir, 'test', name), text);
    await write('plain.test.ts', "describeWith(['moto'], 'x', () => {})");
    await write('store.real.test.ts', "describeWith(['postgres'], 'x', () => {})");
    await write('auth/vault.real.test.ts', "describeWith(\n  ['openbao', 'kube'], 'x', () => {})");
    await write('auth/odd.real.test.ts', "describeWith(NAMES, 'x', () => {})");
  });

  afterEach(() => rm(rootDir, { recursive: true }));

  const run = (pattern: string, paths: readonly string[] = []): RunConfig => ({
    rootDir,
    runTestsByPath: paths.length > 0,
    nonFlagArgs: paths,
    testPathPatterns: {
      toExecutor: () => ({ isMatch: (path) => new RegExp(pattern).test(path) }),
    },
  });

  it('returns none for suites without "real" in their name', () => {
    expect(wantedBackends(run('plain'))).toEqual([]);
  });

  it('returns the backends that the selected suites name, and no more', () => {
    expect(wantedBackends(run('store'))).toEqual(['postgres']);
    expect(wantedBackends(run('store|vault'))).toEqual(['openbao', 'postgres', 'kube']);
  });

  it('returns all of them for a suite that does not name its own literally', () => {
    expect(wantedBackends(run('odd'))).toEqual([
      'openbao',
      'moto',
      'postgres',
      'postgres15',
      'pgbouncer',
      'mariadb',
      'redis',
      'chromium',
      'headless',
      'helm',
      'promtool',
      'shellcheck',
      'buildah',
      'schemathesis',
      'openapitools',
      'detectsecrets',
      'secretlint',
      'podsecurity',
      'trivyreports',
      'grypereports',
      'gatewayapi',
      'hvac',
      'litewitness',
      'consultemplate',
      'gitleaks',
      'rsyslog',
      'nginx',
      'cosign',
      'grype',
      'trivy',
      'kube',
      'kubectl',
      'kubescore',
      'kyverno',
      'goprograms',
    ]);
  });

  it('uses the paths when the run is given paths', () => {
    const path = join(rootDir, 'test', 'store.real.test.ts');
    expect(wantedBackends(run('', [path]))).toEqual(['postgres']);
  });
});
