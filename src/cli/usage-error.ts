/** A place in a file of the caller, lines and columns from 1. */
export interface FileProblem {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** JSON pointer into the document, where there is one. */
  readonly pointer?: string | undefined;
  readonly message: string;
}

/** What the caller has to put right: arguments, a profile, a file. Nothing was sent. */
export class UsageError extends Error {
  readonly problems: readonly FileProblem[];

  constructor(message: string, problems: readonly FileProblem[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
    this.problems = problems;
  }
}

/** `file:line:column: message`, as compilers and editors know it. */
export function problemLine({ file, line, column, pointer, message }: FileProblem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const at = pointer === undefined || pointer === '' ? '' : `${pointer} `;
  return `${place}: ${at}${message}`;
}
