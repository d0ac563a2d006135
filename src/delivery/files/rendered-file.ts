/** Whose a file is and who may read it. */
export interface FileAccess {
  /** Permission bits, as of chmod(2). */
  readonly mode: number;
  readonly owner?: number | undefined;
  readonly group?: number | undefined;
}

/** What is to lie at a place below the directory. */
export interface RenderedFile extends FileAccess {
  readonly target: string;
  readonly bytes: Buffer;
}
