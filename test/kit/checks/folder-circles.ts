import { dirname } from 'node:path';

/** An import of a file by another one: paths from the root of the project. */
export type Arrow = readonly [from: string, to: string];

/**
 * Finds the circles of imports between the entries of each folder, at every level: subfolders as wholes, and the files beside them.
 * @returns one line for each circle, `folder: entry entry`, sorted
 */
export function folderCircles(arrows: readonly Arrow[]): readonly string[] {
  const parents = new Set(arrows.flat().flatMap((path) => foldersAbove(path)));
  return [...parents].sort().flatMap((folder) => {
    const reached = closureOf(arrowsWithin(folder, arrows));
    const circles = [...reached.keys()]
      .filter((entry) => reached.get(entry)?.has(entry))
      .map((entry) =>
        [...reached.keys()].filter(
          (other) => reached.get(entry)?.has(other) && reached.get(other)?.has(entry),
        ),
      );
    return [...new Set(circles.map((entries) => `${folder}: ${entries.sort().join(' ')}`))].sort();
  });
}

/** The imports between different entries of a folder, by the names of the entries. */
export function arrowsWithin(folder: string, arrows: readonly Arrow[]): readonly Arrow[] {
  const entryOf = (path: string): string | undefined =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1).split('/')[0] : undefined;
  return arrows.flatMap(([from, to]): readonly Arrow[] => {
    const [one, other] = [entryOf(from), entryOf(to)];
    return one === undefined || other === undefined || one === other ? [] : [[one, other]];
  });
}

function foldersAbove(path: string): readonly string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [folder, ...foldersAbove(folder)];
}

/** All entries that each entry reaches over one arrow or more. */
function closureOf(arrows: readonly Arrow[]): ReadonlyMap<string, ReadonlySet<string>> {
  const targets = Map.groupBy(arrows, ([from]) => from);
  const reachedFrom = (start: string): ReadonlySet<string> => {
    const reached = new Set<string>();
    const follow = (entry: string): void => {
      for (const [, to] of targets.get(entry) ?? []) {
        if (reached.has(to)) continue;
        reached.add(to);
        follow(to);
      }
    };
    follow(start);
    return reached;
  };
  return new Map([...targets.keys()].map((entry) => [entry, reachedFrom(entry)]));
}
