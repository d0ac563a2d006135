import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  initContainer,
  nativeSidecar,
  plainSidecar,
} from '../../src/delivery/injector/agent-containers.ts';
import { execForm, stagesOf, type Instruction } from './dockerfile.ts';

const { before, stages } = stagesOf('Dockerfile');
const all = stages.flat();
const final = stages.at(-1) ?? [];

function the(instructions: readonly Instruction[], keyword: string): string {
  const found = instructions.filter((instruction) => instruction.keyword === keyword);
  expect(found).toHaveLength(1);
  return found[0]!.rest;
}

/** The sources that the instruction copies from the build context. */
function copied({ rest }: Instruction): readonly string[] {
  return rest.startsWith('--from=') ? [] : rest.split(/\s+/).slice(0, -1);
}

describe('the Dockerfile', () => {
  it('copies only files that exist and that .dockerignore includes', () => {
    const allowed = readFileSync('.dockerignore', 'utf8').trim().split('\n');
    expect(allowed[0]).toBe('*');
    const sources = new Set(all.filter(({ keyword }) => keyword === 'COPY').flatMap(copied));
    for (const source of sources) expect([source, existsSync(source)]).toEqual([source, true]);
    expect([...sources].sort()).toEqual(
      allowed
        .filter((line) => line.startsWith('!'))
        .map((line) => line.slice(1))
        .sort(),
    );
  });

  it('names its base image once, with the version of Node that package.json pins', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Readonly<Record<string, string>>;
    };
    expect(the(before, 'ARG')).toBe(`NODE_IMAGE=node:${dependencies['node']}-slim`);
    for (const [from] of stages) expect(from!.rest).toMatch(/^\$\{NODE_IMAGE\}/);
  });

  it('installs from the lock file, without scripts', () => {
    const installs = all.filter(({ rest }) => /\bnpm (?:ci|i|install)\b/.test(rest));
    for (const { rest } of installs) expect(rest).toMatch(/npm ci .*--ignore-scripts/);
  });

  it('has the built program in its last stage, and no packages', () => {
    const copies = final.filter(({ keyword }) => keyword === 'COPY');
    expect(copies.map(({ rest }) => rest)).toEqual(['--from=build /build/dist ./dist']);
  });

  it('builds with every file that the build runs', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
    };
    const [build] = stages.filter((stage) =>
      stage.some(({ rest }) => rest === 'npm run build:program'),
    );
    const there = build!.filter(({ keyword }) => keyword === 'COPY').flatMap(copied);
    const script = scripts['build:program']!.replace(/^node /, '');
    const named = readFileSync(script, 'utf8').matchAll(/join\(ROOT, '(?!node_modules)([\w.]+)/g);
    const needed = [script.split('/')[0], ...[...named].map(([, path]) => path)];
    expect(needed).toContain('migrations');
    expect(needed.filter((path) => !there.includes(path!) && path !== 'dist')).toEqual([]);
  });

  it('runs as a numeric user that is not root', () => {
    expect(the(final, 'USER')).toMatch(/^[1-9][0-9]{3,}:[1-9][0-9]{3,}$/);
    expect(final.findLastIndex(({ keyword }) => keyword === 'RUN')).toBeLessThan(
      final.findIndex(({ keyword }) => keyword === 'USER'),
    );
  });

  it('starts the broker without a shell, without core dumps and with SIGUSR1 disabled (ED10)', () => {
    const program = execForm(the(final, 'ENTRYPOINT'));
    const node = ['node', '--disable-sigusr1', '/app/dist/quaymaster.cjs'];
    expect(program).toEqual(['prlimit', '--core=1', ...node]);
    expect(execForm(the(final, 'CMD'))).toEqual(['serve']);
  });

  it.each([
    'deploy/quaymaster.yaml',
    'deploy/initialise.yaml',
    'deploy/helm/quaymaster/templates/_pod.tpl',
    'deploy/helm/quaymaster/templates/initialise.yaml',
    'deploy/helm/quaymaster/templates/csi-provider.yaml',
  ])('is the entry point in %s: containers there set args and no command', (path) => {
    expect(readFileSync(path, 'utf8')).not.toMatch(/^\s+(?:- )?command:/m);
  });

  it('is the entry point of injected agents, so that they have no core dumps either', () => {
    const traits = {
      image: 'quaymaster:x',
      resources: { cpuRequest: '1m', memoryRequest: '1Mi', memoryLimit: '1Mi' },
      config: '',
      runAs: { user: 1, group: 1, sharesUser: false },
    };
    for (const container of [nativeSidecar, initContainer, plainSidecar])
      expect(container(traits)).not.toHaveProperty('command');
  });

  it('checks its health by the verb for it, without a shell', () => {
    expect(execForm(the(final, 'HEALTHCHECK'))).toEqual([
      'node',
      '/app/dist/quaymaster.cjs',
      'healthcheck',
    ]);
  });

  it('keeps the store and the keys in volumes of their own', () => {
    expect(execForm(the(final, 'VOLUME'))).toEqual([
      '/var/lib/quaymaster',
      '/var/lib/quaymaster-keys',
    ]);
  });

  it('downloads nothing by address and sets no variable except the mode of Node', () => {
    expect(all.filter(({ keyword }) => keyword === 'ADD')).toEqual([]);
    expect(all.some(({ rest }) => rest.includes('://'))).toBe(false);
    expect(all.filter(({ keyword }) => keyword === 'ENV')).toEqual([
      { keyword: 'ENV', rest: 'NODE_ENV=production MALLOC_ARENA_MAX=2' },
    ]);
  });
});
