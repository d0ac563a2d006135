import { isSecretPath } from '../../domain/names.ts';
import { readText } from '../connection.ts';
import { parseLocated, type LocatedDocument } from '../documents/located-yaml.ts';
import { problemAt } from '../documents/manifest.ts';
import { UsageError, type FileProblem } from '../usage-error.ts';
import type { Mapping } from './import-plan.ts';

interface MapFile extends Pick<Mapping, 'exact'> {
  /** @throws UsageError with the line of every source that is not among these: a misspelt one would leave out or rename nothing, without a word */
  readonly refuseOthersThan: (sources: ReadonlySet<string>) => void;
}

/** @throws UsageError for a file that is no map, and for a target that is no path of the broker; an empty file is an empty map */
export async function readMap(file: string | undefined): Promise<MapFile> {
  if (file === undefined) return { exact: new Map(), refuseOthersThan: () => undefined };
  const { documents, problems } = await parseLocated(file, await readText(file));
  const [document, ...more] = documents;
  const value = document?.value ?? {};
  if (problems.length > 0 || more.length > 0 || !isObject(value)) {
    throw new UsageError(`${file} is no map: it is YAML with lines like SOURCE: TARGET`, problems);
  }
  const entries = Object.entries(value);
  const wrong = entries.filter(([, target]) => !isTarget(target));
  refuse(document, wrong, 'the target is a path of the broker, or null to leave it out');
  return {
    exact: new Map(entries as (readonly [string, string | null])[]),
    refuseOthersThan: (sources) => {
      const unknown = entries.filter(([source]) => !sources.has(source));
      refuse(document, unknown, 'nothing of this name is to be imported');
    },
  };
}

type Entries = readonly (readonly [string, unknown])[];

function refuse(document: LocatedDocument | undefined, entries: Entries, why: string): void {
  if (document === undefined || entries.length === 0) return;
  const problems = entries.map(([source]): FileProblem => {
    const pointer = `/${source.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return { ...problemAt(document, pointer, `${source}: ${why}`), pointer: undefined };
  });
  throw new UsageError('--map cannot be followed; nothing was copied', problems);
}

function isTarget(target: unknown): boolean {
  return target === null || (typeof target === 'string' && isSecretPath(target));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
