import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('..', import.meta.url).pathname;
/** The MIT licence without its first line, as other packages contain it. */
const MIT = /Permission is hereby granted.*/s.exec(
  readFileSync(join(ROOT, 'node_modules/zod/LICENSE'), 'utf8'),
)?.[0];

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly author?: string | { readonly name: string };
}

/** The notice that the licences of bundled packages require: the authors, and each licence unchanged. @throws for a package whose licence is not known */
export function thirdParty(packages: readonly string[]): string {
  const parts = [...new Set(packages)].sort().map((path) => {
    const folder = join(ROOT, path);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const { name, version, license } = manifest;
    const text = licenceText(folder) ?? namedLicence(manifest);
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  const head = 'dist/agent.cjs and dist/program contain code of these packages.\n';
  return [head, ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}

/** Undefined for a package without one. */
export function licenceText(folder: string): string | undefined {
  const file = readdirSync(folder).find((each) => /^(?:un)?licen[cs]e(?:\.\w+)?$/i.test(each));
  return file === undefined ? undefined : readFileSync(join(folder, file), 'utf8');
}

/** The text for a package that names its licence and does not contain it. */
function namedLicence({ name, license, author }: Manifest): string {
  const holder = typeof author === 'object' ? author.name : (author ?? `the authors of ${name}`);
  if (license === 'Apache-2.0') return `Copyright ${holder}\n\nThe text is in the file LICENSE.`;
  if (license === 'MIT' && MIT !== undefined) return `Copyright (c) ${holder}\n\n${MIT}`;
  throw new Error(`${name} has no licence file`);
}
