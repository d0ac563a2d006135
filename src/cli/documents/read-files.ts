import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readStdin } from '../ask.ts';
import { readText } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { UsageError, type FileProblem } from '../usage-error.ts';
import { parseLocated, type LocatedDocument } from './located-yaml.ts';

const NAME = /\.(?:ya?ml|json)$/;

/** Every document of the files, of the directories with all below them, and of standard input (`-`). @throws UsageError with every problem */
export async function readDocuments(
  context: Pick<CliContext, 'stdin' | 'signal'>,
  places: readonly string[],
): Promise<readonly LocatedDocument[]> {
  const documents: LocatedDocument[] = [];
  const problems: FileProblem[] = [];
  for (const place of places) {
    for (const file of await filesAt(place)) {
      const text = file === '-' ? (await readStdin(context)).toString() : await readText(file);
      const parsed = await parseLocated(file === '-' ? '<stdin>' : file, text);
      documents.push(...parsed.documents);
      problems.push(...parsed.problems);
    }
  }
  if (problems.length > 0) throw new UsageError('the files are not plain YAML', problems);
  return documents;
}

/**
 * Files of a directory in the order of their names; hidden ones are editors' and git's. A link to a directory is not followed, because links
 * can go round in circles, nor left out: `--prune` would delete what is behind it.
 */
async function filesAt(place: string): Promise<readonly string[]> {
  if (place === '-') return [place];
  const found = await stat(place).catch(() => undefined);
  if (found === undefined) throw new UsageError(`${place} is not there`);
  if (!found.isDirectory()) return [place];
  const entries = await readdir(place, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(place, entry.name);
    if (entry.isSymbolicLink() && (await isDirectory(path))) {
      throw new UsageError(
        `${path} is a link to a directory, which is not followed: put the files there`,
      );
    }
    if (entry.isDirectory()) files.push(...(await filesAt(path)));
    else if (NAME.test(entry.name)) files.push(path);
  }
  return files;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
