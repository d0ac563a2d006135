import { isSecretPath } from '../../domain/words/names.ts';
import { readText } from '../connection/connection.ts';
import { parseLocated, type LocatedDocument } from '../documents/read-files.ts';
import { problemAt } from '../documents/manifest.ts';
import { UsageError, type FileProblem } from '../kernel/errors.ts';
import type { Mapping } from './import-plan.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';

interface MapFile extends Pick<Mapping, 'exact'> {
  /** @throws UsageError with the line of every source that does not exist: a misspelt name would silently have no effect */
  readonly refuseUnknownSources: (sources: ReadonlySet<string>) => void;
}

/** An empty file is an empty map. @throws UsageError for a file that is not a map, and for a target that is not a path */
export async function readMap(file: string | undefined): Promise<MapFile> {
  if (file === undefined) return { exact: new Map(), refuseUnknownSources: () => undefined };
  const { documents, problems } = await parseLocated(file, await readText(file));
  const [document, ...more] = documents;
  const value = document?.value ?? {};
  if (problems.length > 0 || more.length > 0 || !isObject(value)) {
    throw new UsageError(
      `${file} is not a mapping file; expected YAML with lines SOURCE: TARGET`,
      problems,
    );
  }
  const entries = Object.entries(value);
  const wrong = entries.filter(([, target]) => !isTarget(target));
  refuse(
    document,
    wrong,
    'the target must be a path at the broker, or null to leave the source out',
  );
  return {
    exact: new Map(entries as (readonly [string, string | null])[]),
    refuseUnknownSources: (sources) => {
      const unknown = entries.filter(([source]) => !sources.has(source));
      refuse(document, unknown, 'the source has no secret of this name');
    },
  };
}

type Entries = readonly (readonly [string, unknown])[];

function refuse(document: LocatedDocument | undefined, entries: Entries, why: string): void {
  if (document === undefined || entries.length === 0) return;
  const problems = entries.map(([source]): FileProblem => {
    const problem = problemAt(document, pointerTo([source]), `${source}: ${why}`);
    return { ...problem, pointer: undefined };
  });
  throw new UsageError('the file of --map is not valid; nothing was copied', problems);
}

function isTarget(target: unknown): boolean {
  return target === null || (typeof target === 'string' && isSecretPath(target));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
