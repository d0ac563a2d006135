import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readStdin } from '../input/ask.ts';
import { readText } from '../connection/connection.ts';
import type { CliContext } from '../connection/context.ts';
import { UsageError, type FileProblem } from '../kernel/errors.ts';
import { pathOf, pointerTo } from '../../domain/words/json-pointer.ts';
import type { Position } from '../../domain/text/strict-json.ts';
import { readYaml, type YamlDocument, type YamlProblem } from '../../domain/text/strict-yaml.ts';

/** One document of a file, with the position of each of its values. */
export interface LocatedDocument {
  readonly file: string;
  readonly value: unknown;
  /** The position of the value at a JSON pointer, or of the nearest enclosing value that exists. */
  readonly locate: (pointer: string) => Position;
}

const NAME = /\.(?:ya?ml|json)$/;

/** Documents, and the problems of the files that are not valid YAML. */
interface LocatedFiles {
  readonly documents: readonly LocatedDocument[];
  readonly problems: readonly FileProblem[];
}

/** Reads like `readLocated`. @throws UsageError with every problem */
export async function readDocuments(
  context: Pick<CliContext, 'stdin' | 'signal'>,
  places: readonly string[],
): Promise<readonly LocatedDocument[]> {
  const { documents, problems } = await readLocated(context, places);
  if (problems.length > 0) throw new UsageError('some files are not valid YAML', problems);
  return documents;
}

/** Reads the documents of files, of directories with everything below them, and of standard input (`-`). */
export async function readLocated(
  context: Pick<CliContext, 'stdin' | 'signal'>,
  places: readonly string[],
): Promise<LocatedFiles> {
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
  return { documents, problems };
}

/**
 * The files of a directory, sorted by name, without hidden files, which belong to editors and git. A symbolic link to a directory is refused:
 * following it may never end, and ignoring it would let `--prune` delete the documents behind it.
 */
async function filesAt(place: string): Promise<readonly string[]> {
  if (place === '-') return [place];
  const found = await stat(place).catch(() => undefined);
  if (found === undefined) throw new UsageError(`${place} does not exist`);
  if (!found.isDirectory()) return [place];
  const entries = await readdir(place, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(place, entry.name);
    if (entry.isSymbolicLink() && (await isDirectory(path))) {
      throw new UsageError(
        `${path} is a symbolic link to a directory; links to directories are not followed, so put the files there`,
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

/** The documents of one YAML or JSON file. */
export async function parseLocated(file: string, text: string): Promise<LocatedFiles> {
  const { documents, problems } = await readYaml(text);
  return {
    documents: documents.map((document) => ({
      file,
      value: document.value,
      locate: (pointer) => nearestPosition(document, pointer),
    })),
    problems: firstProblems(file, text, problems),
  };
}

const SHOWN_PROBLEMS = 5;

function firstProblems(
  file: string,
  text: string,
  problems: readonly YamlProblem[],
): readonly FileProblem[] {
  const shown: FileProblem[] = problems
    .slice(0, SHOWN_PROBLEMS)
    .map((problem) => ({ file, ...problem }));
  const more = problems.length - shown.length;
  if (more > 0) shown.push({ file, message: `and ${more} more problems` });
  if (problems.length > 0 && text.includes('{{')) {
    shown.push({ file, message: 'looks like a template; render it first' });
  }
  return shown;
}

function nearestPosition(document: YamlDocument, pointer: string): Position {
  for (const path = pathOf(pointer); ; path.pop()) {
    const found = document.locate(pointerTo(path));
    if (found !== undefined) return found;
    if (path.length === 0) return { line: 1, column: 1 };
  }
}
