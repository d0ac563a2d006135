import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The notice that the licences of bundled packages require: the authors, and each licence unchanged. @throws for a
 * package without one.
 */
export function thirdParty(root: string, packages: readonly string[]): string {
  const parts = packages.map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    ) as Readonly<Record<string, string>>;
    const text = licenceText(join(root, folder));
    if (text === undefined) throw new Error(`${folder} has no licence file`);
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  const head = 'dist/agent.cjs contains code of these packages.\n';
  return [head, ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}

/** Undefined for a package without one. */
export function licenceText(folder: string): string | undefined {
  const file = readdirSync(folder).find((name) => /^licen[cs]e(?:\.(?:md|txt))?$/i.test(name));
  return file === undefined ? undefined : readFileSync(join(folder, file), 'utf8');
}
