import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { textOf, trackedFiles } from './tracked-files.ts';

function foldersOf(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** What a file imports, by way of other files of the tests too: paths from the root of the project. */
function importsOf(path: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const [, target = ''] of textOf(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
    const found = normalize(join(dirname(path), target));
    if (seen.has(found)) continue;
    seen.add(found);
    if (found.startsWith('test/') && existsSync(found)) importsOf(found, seen);
  }
  return seen;
}

/** Folders of adapters that a suite of tests is run on. */
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

describe('every adapter', () => {
  it.each([
    // Who only makes credentials has no secrets to read.
    ['providers', ['secret-provider', 'dynamic-credentials']],
    ['kms', ['key-encryption-key']],
    ['store', ['store']],
    ['rotation', ['rotation-target']],
  ])('of %s is in the suite %s that its port promises', (room, contracts) => {
    const adapters = foldersOf(`src/${room}`).filter((name) => name !== 'sql');
    const suited = contracts.flatMap((contract) => inContract(room, contract));
    expect(adapters).not.toEqual([]);
    expect(adapters.filter((name) => !suited.includes(name))).toEqual([]);
  });

  it('of providers has a page for operators', () => {
    const pages = foldersOf('src/providers').map((name) => `docs/providers/${name}.md`);
    expect(pages.filter((page) => !existsSync(page))).toEqual([]);
  });

  it('of key-encryption keys has a page or a chapter for operators', () => {
    const all = ['docs/configuration.md', 'docs/install.md', 'docs/kms-vault-transit.md'];
    const text = all.map(textOf).join('\n');
    expect(foldersOf('src/kms').filter((name) => !text.includes(`type: ${name}`))).toEqual([]);
  });
});

describe('the decisions in docs/adr', () => {
  it('are numbered one after the other and have the same parts', () => {
    const files = readdirSync('docs/adr').sort();
    files.forEach((file, index) => {
      expect(file).toMatch(new RegExp(`^${String(index + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      const text = textOf(join('docs/adr', file));
      for (const part of ['Context', 'Decision', 'Consequences']) {
        const isThere = text.includes(`\n## ${part}\n`) || text.includes(`\n**${part}.**`);
        expect([file, part, isThere]).toEqual([file, part, true]);
      }
    });
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
