import { targetsOverlap, type Format } from './file-options.ts';

/** Owner and permissions of a file. */
export interface FileAccess {
  /** Permission bits, as in chmod(2). */
  readonly mode: number;
  readonly owner?: number | undefined;
  readonly group?: number | undefined;
}

/** The content of a target below the directory. */
export interface RenderedFile extends FileAccess {
  readonly target: string;
  readonly bytes: Buffer;
}

/** The files that a configuration asks for. */
export interface Outputs {
  /** Absolute path of the directory; not touched if no file is configured. */
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
  /** File that is read once, at the start. */
  readonly source?: string | undefined;
  readonly text?: string | undefined;
}

/** Secret that has a file of its own. */
export type FileOutput = SecretOutput & { readonly file: string };

/** Two outputs with the same target, or one within the other's. */
export function targetConflicts(outputs: Outputs): readonly string[] {
  const places = [
    ...outputs.secrets.map(({ file }, index) => ({ file, place: `/secrets/${index}/file` })),
    ...outputs.templates.map(({ file }, index) => ({ file, place: `/templates/${index}/file` })),
  ];
  return places.flatMap(({ file, place }, index) => {
    if (file === undefined) return [];
    const other = places
      .slice(0, index)
      .find((earlier) => earlier.file !== undefined && targetsOverlap(earlier.file, file));
    return other === undefined ? [] : [`${place}: overlaps with ${other.place}`];
  });
}

/** Computes the mode of a directory, which every reader of a file must be able to enter. 0700 if only the agent's user reads. */
export function directoryMode(files: readonly FileAccess[]): number {
  const isForOthers = files.some(
    ({ mode, owner, group }) => owner !== undefined || group !== undefined || (mode & 0o004) !== 0,
  );
  if (isForOthers) return 0o755;
  return files.some(({ mode }) => (mode & 0o040) !== 0) ? 0o750 : 0o700;
}
