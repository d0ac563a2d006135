import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { arrowsWithin, folderCircles, type Arrow } from '../kit/checks/folder-circles.ts';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

function foldersOf(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** The imports of a file, also through other test files: paths from the root of the project. */
function importsOf(path: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const [, target = ''] of textOf(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
    const found = normalize(join(dirname(path), target));
    if (seen.has(found)) continue;
    seen.add(found);
    if (found.startsWith('test/') && existsSync(found)) importsOf(found, seen);
  }
  return seen;
}

/** Folders of adapters that run a contract suite. */
function inContract(room: string, contract: string): readonly string[] {
  const suites = trackedFiles()
    .filter((path) => /^test\/contract\/.*\.test\.ts$/.test(path))
    .map((path) => importsOf(path))
    .filter((imports) => imports.has(`test/contract/${contract}.contract.ts`));
  const within = suites.flatMap((imports) =>
    [...imports]
      .filter((path) => path.startsWith(`src/${room}/`))
      .map((path) => path.split('/')[2] ?? ''),
  );
  return [...new Set(within)];
}

/** Shared folders of src/providers; every other folder is one backend. */
const SHARED_BY_HOUSES = ['guard', 'server', 'sql', 'rotator'];
const PROVIDER_CONTRACTS = [
  'secret-provider',
  'dynamic-credentials',
  'rotation-target',
  'key-encryption-key',
];

describe('every backend', () => {
  const houses = foldersOf('src/providers').filter((name) => !SHARED_BY_HOUSES.includes(name));

  it('runs the contract suite of each part that it offers', () => {
    const suited = PROVIDER_CONTRACTS.flatMap((contract) => inContract('providers', contract));
    expect(houses).not.toEqual([]);
    expect(houses.filter((name) => !suited.includes(name))).toEqual([]);
  });

  it.each([
    ['secrets', 'secret-provider'],
    ['credentials', 'dynamic-credentials'],
    ['rotator', 'rotation-target'],
    ['kek', 'key-encryption-key'],
  ])('has, for %s, the suite %s', (part, contract) => {
    const having = houses.filter((name) =>
      [part, `${part}.ts`].some((file) => existsSync(`src/providers/${name}/${file}`)),
    );
    expect(having).not.toEqual([]);
    expect(having.filter((name) => !inContract('providers', contract).includes(name))).toEqual([]);
  });

  it('has a page for operators', () => {
    const pages = readdirSync('docs/providers').concat(readdirSync('docs/rotators'));
    const named = (house: string) => pages.some((page) => page.startsWith(house));
    expect(houses.filter((house) => !named(house))).toEqual([]);
  });
});

it('every store runs the contract suite of the store', () => {
  const stores = ['sqlite', 'postgres'];
  expect(stores.filter((name) => !inContract('store', 'store').includes(name))).toEqual([]);
});

describe('the decisions in internals/adr', () => {
  it('are numbered without a gap and have the same parts', () => {
    const files = readdirSync('internals/adr').sort();
    files.forEach((file, index) => {
      expect(file).toMatch(new RegExp(`^${String(index + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      const text = textOf(join('internals/adr', file));
      for (const part of ['Context', 'Decision', 'Consequences']) {
        const isThere = text.includes(`\n## ${part}\n`) || text.includes(`\n**${part}.**`);
        expect([file, part, isThere]).toEqual([file, part, true]);
      }
    });
  });
});

describe('the maps in ARCHITECTURE.md', () => {
  it.each([
    ['src', 'src'],
    ['broker', 'src/broker'],
  ])('name every folder of %s once', (name, folder) => {
    const begin = new RegExp(`^The folders of \`${name}\`([^]*?)^(?:## |The folders of )`, 'm');
    const [, map = ''] = begin.exec(textOf('ARCHITECTURE.md')) ?? [];
    const named = [...map.matchAll(/^\| `([\w-]+)` \| /gm)].map(([, each = '']) => each);
    expect(named.sort()).toEqual([...foldersOf(folder)].sort());
  });
});

describe('the rooms of src', () => {
  const roomOf = (path: string): string => path.split('/')[1] ?? '';
  const files = trackedFiles().filter((path) => /^src\/.*\.ts$/.test(path));
  const arrows = files.flatMap((path) =>
    [...textOf(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target = '']): Arrow => [
      path,
      normalize(join(dirname(path), target)),
    ]),
  );

  it('are at most 17, with at most 74 arrows between them', () => {
    const between = arrowsWithin('src', arrows).map(([from, to]) => `${from} -> ${to}`);
    expect(new Set(files.map(roomOf)).size).toBeLessThanOrEqual(17);
    expect([...new Set(between)].sort().slice(74)).toEqual([]);
  });

  it('have no circle of imports between their folders, at any level', () => {
    expect(folderCircles(arrows)).toEqual([]);
  });

  describe('have, in ARCHITECTURE.md,', () => {
    const [, table = ''] = /^### Floors\n([^]*?)^### /m.exec(textOf('ARCHITECTURE.md')) ?? [];
    const rows = [...table.matchAll(/^\| `([\w-]+)` \| (`.*) \|$/gm)].map(
      ([, room = '', floors = '']) => ({
        room,
        floors: floors
          .split(', then ')
          .map((floor) => [...floor.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name)),
      }),
    );

    it('a row of floors, unless they have one folder', () => {
      const rooms = foldersOf('src').filter((room) => foldersOf(`src/${room}`).length > 1);
      expect(rows.map(({ room }) => room).sort()).toEqual(rooms.sort());
    });

    it.each(rows)('the floors of $room as its imports have them', ({ room, floors }) => {
      expect(floors.flat().sort()).toEqual([...foldersOf(`src/${room}`)].sort());
      const floorOf = (name: string): number => floors.findIndex((floor) => floor.includes(name));
      const upwards = arrowsWithin(`src/${room}`, arrows)
        .filter(([from, to]) => floorOf(from) !== -1 && floorOf(to) !== -1)
        .filter(([from, to]) => floorOf(from) <= floorOf(to))
        .map(([from, to]) => `${from} -> ${to}`);
      expect([...new Set(upwards)]).toEqual([]);
    });
  });
});

describe('the search for circles of folders', () => {
  it('finds subfolders and files that reach each other over others, at each level', () => {
    const arrows: readonly Arrow[] = [
      ['src/a/one/x.ts', 'src/a/two/x.ts'],
      ['src/a/two/y.ts', 'src/a/three.ts'],
      ['src/a/three.ts', 'src/a/one/z.ts'],
      ['src/a/one/z.ts', 'src/a/one/w.ts'],
      ['src/b/x.ts', 'src/a/one/x.ts'],
      ['src/b/deep/x/x.ts', 'src/b/deep/y/y.ts'],
      ['src/b/deep/y/x.ts', 'src/b/deep/x/y.ts'],
    ];
    expect(folderCircles(arrows)).toEqual(['src/a: one three.ts two', 'src/b/deep: x y']);
    expect(folderCircles(arrows.slice(3, -1))).toEqual([]);
  });
});

describe('the parts of the broker', () => {
  const groups = [
    ...textOf('src/broker/state/dependencies.ts').matchAll(/^export interface (\w+)/gm),
  ]
    .map(([, name = '']) => name)
    .filter((name) => !['Limits', 'Clusters'].includes(name));
  /** The groups that a file imports, with those that a group extends. */
  const imported = (path: string): readonly string[] => {
    const [, names = ''] =
      /import type \{([^}]*)\} from '[./]+(?:[a-z]+\/)*dependencies\.ts'/.exec(textOf(path)) ?? [];
    const found = new Set(names.split(',').map((name) => name.trim()));
    if (found.has('Recording')) found.add('Storage');
    if (found.has('Access')) found.add('Rights');
    return groups.filter((name) => found.has(name));
  };

  it('form groups, and only the program and the API routes combine all of them', () => {
    expect(groups.length).toBeGreaterThan(4);
    const everywhere = trackedFiles()
      .filter((path) => /^src\/.*\.ts$/.test(path))
      .filter((path) => imported(path).length === groups.length);
    expect(everywhere.sort()).toEqual(['src/api/request/request-deps.ts']);
  });
});

describe('test/unit', () => {
  it('has the folders of src', () => {
    const folders = trackedFiles()
      .filter((path) => path.startsWith('test/unit/') && path.endsWith('.test.ts'))
      .map((path) => dirname(path).replace(/^test\/unit/, 'src'));
    expect(folders).not.toEqual([]);
    expect([...new Set(folders)].filter((folder) => !existsSync(folder))).toEqual([]);
  });
});

describe('documentation', () => {
  it('links to pages that exist', () => {
    const broken = trackedFiles()
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...textOf(path).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)]
          .map(([, target = '']) => normalize(join(dirname(path), target)))
          .filter((target) => !existsSync(target))
          .map((target) => `${path}: ${target}`),
      );
    expect(broken).toEqual([]);
  });
});
