import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licenceList, licencesIn, licenceText, manifestOf, type Manifest } from './packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The MIT licence without its first line, as other packages contain it. */
const MIT = /Permission is hereby granted.*/s.exec(
  readFileSync(join(ROOT, 'node_modules/zod/LICENSE'), 'utf8'),
)?.[0];

/** The notice that the licences of bundled packages require: the authors, and each licence unchanged. @throws for a package whose licence is not known */
export function thirdParty(packages: readonly string[]): string {
  const parts = [...new Set(packages)].sort().map((path) => {
    const folder = join(ROOT, path);
    const manifest = manifestOf(folder);
    const heading = `${manifest.name} ${manifest.version} (${licencesIn(manifest).join(' or ')})`;
    return { heading, text: licenceText(folder) ?? namedLicence(manifest) };
  });
  return `dist/agent.cjs, dist/program and dist/console contain code of these packages.\n\n${'-'.repeat(80)}\n\n${licenceList(parts)}`;
}

/** The text for a package that names its licence and does not contain it. */
function namedLicence({ name, license, author }: Manifest): string {
  const holder = typeof author === 'object' ? author.name : (author ?? `the authors of ${name}`);
  if (license === 'Apache-2.0') return `Copyright ${holder}\n\nThe text is in the file LICENSE.`;
  if (license === 'MIT' && MIT !== undefined) return `Copyright (c) ${holder}\n\n${MIT}`;
  throw new Error(`${name} has no licence file`);
}
