import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The fields of a package.json that the scripts read. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  /** An SPDX identifier, or in old packages a list of alternatives. */
  readonly license?: string | readonly { readonly type: string }[];
  readonly author?: string | { readonly name: string };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

export function licencesIn({ license = [] }: Manifest): readonly string[] {
  return typeof license === 'string' ? [license] : license.map(({ type }) => type);
}

/** The text of a package's own licence. Undefined for a package without one. */
export function licenceText(folder: string): string | undefined {
  const file = readdirSync(folder).find((each) => /^(?:un)?licen[cs]e(?:\.\w+)?$/i.test(each));
  return file === undefined ? undefined : readFileSync(join(folder, file), 'utf8');
}

/** Joins the licences of packages, each with its heading, into one text. */
export function licenceList(
  parts: readonly { readonly heading: string; readonly text: string }[],
): string {
  return parts
    .map(({ heading, text }) => `${heading}\n\n${text.trim()}\n`)
    .join(`\n${'-'.repeat(80)}\n\n`);
}
