import type { Format } from '../settings/outputs.ts';
import type { FileAccess } from './rendered-file.ts';

/** What the configuration says of files. */
export interface Outputs {
  /** Absolute; not touched where no file is named. */
  readonly directory: string;
  readonly secrets: readonly SecretOutput[];
  readonly templates: readonly TemplateOutput[];
}

export interface SecretOutput extends FileAccess {
  readonly name: string;
  readonly file?: string | undefined;
  readonly format: Format;
}

export interface TemplateOutput extends FileAccess {
  readonly file: string;
  /** A file that is read once, at the start. */
  readonly source?: string | undefined;
  readonly text?: string | undefined;
}

/** A secret that has a file of its own. */
export type FileOutput = SecretOutput & { readonly file: string };

/** Two outputs at one place, or one within another's file. */
export function placeProblems(outputs: Outputs): readonly string[] {
  const places = [
    ...outputs.secrets.map(({ file }, index) => ({ file, place: `/secrets/${index}/file` })),
    ...outputs.templates.map(({ file }, index) => ({ file, place: `/templates/${index}/file` })),
  ];
  return places.flatMap(({ file, place }, index) => {
    if (file === undefined) return [];
    const other = places
      .slice(0, index)
      .find((earlier) => earlier.file !== undefined && overlap(earlier.file, file));
    return other === undefined ? [] : [`${place}: is at or within the place of ${other.place}`];
  });
}

function overlap(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}/`) || right.startsWith(`${left}/`);
}

/** Everybody who shall read a file must be able to walk to it: the mode of the directory, 0700 where that is the agent's user alone. */
export function directoryMode(files: readonly FileAccess[]): number {
  const isForOthers = files.some(
    ({ mode, owner, group }) => owner !== undefined || group !== undefined || (mode & 0o004) !== 0,
  );
  if (isForOthers) return 0o755;
  return files.some(({ mode }) => (mode & 0o040) !== 0) ? 0o750 : 0o700;
}
