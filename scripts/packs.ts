import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Metafile } from 'esbuild';

type Outputs = Metafile['outputs'];

/** An entry of the program that starts often, and the entry whose pack its own pack continues. */
export interface Packed {
  readonly entry: string;
  readonly after?: string;
}

/**
 * Writes each of these entries into one file together with all chunks that it loads at once: a start that reads and opens 148 files with their compiled
 * code takes 12 ms longer. V8 also keeps the text of a large file outside its heap. Other entries may need some of the chunks, so a chunk keeps
 * a file of its own unless only packed entries load it.
 */
export function writePacks(
  { outputs }: Metafile,
  directory: string,
  packed: readonly Packed[],
): void {
  const loaded = new Map(packed.map(({ entry }) => [entry, chunksOf(outputs, entry)]));
  const packs = packed.map(({ entry, after = '' }) => {
    const others = new Set(ancestors(packed, after).flatMap((each) => loaded.get(each) ?? []));
    const [first = '', ...rest] = loaded.get(entry) ?? [];
    const own = [first, ...rest].filter((name) => !others.has(name));
    return { name: first, text: packText(directory, own, loaded.get(after)?.[0]) };
  });
  for (const name of onlyPacked(outputs, loaded)) rmSync(join(directory, name));
  for (const { name, text } of packs) writeFileSync(join(directory, name), text);
}

/** The file of an entry, and those that it loads at once. */
function chunksOf(outputs: Outputs, entry: string): readonly string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind, external } of outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) visit(next);
  };
  const [start] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === entry) ?? [];
  if (start === undefined) throw new Error(`no chunk begins with ${entry}`);
  visit(start);
  return [...found].map((path) => basename(path));
}

function ancestors(packed: readonly Packed[], entry: string): readonly string[] {
  const own = packed.find((each) => each.entry === entry);
  return own === undefined ? [] : [entry, ...ancestors(packed, own.after ?? '')];
}

function onlyPacked(
  outputs: Outputs,
  loaded: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const entries = Object.values(outputs).flatMap(({ entryPoint = [] }) => entryPoint);
  const others = entries.filter((entry) => !loaded.has(entry));
  const needed = new Set(others.flatMap((entry) => chunksOf(outputs, entry)));
  return [...new Set([...loaded.values()].flat())].filter((name) => !needed.has(name));
}

/** The text of a pack: an expression whose value has the function of each chunk. scripts/load-program.cjs reads it. */
function packText(directory: string, names: readonly string[], after: string | undefined): string {
  const functions = names.map((name) => {
    const code = readFileSync(join(directory, name), 'latin1');
    return `${JSON.stringify(name)}: (function (require, module, exports, __filename, __dirname) {${code}\n})`;
  });
  return `({ after: ${JSON.stringify(after)}, functions: {\n${functions.join(',\n')}\n} })`;
}
