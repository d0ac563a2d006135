/** Exit codes of the process; docs/cli.md explains each. 2 is reserved for "there are changes", so that CI can tell that from a mistake. */
export const EXIT = {
  done: 0,
  failed: 1,
  changes: 2,
  refused: 3,
  notFound: 4,
  unreachable: 5,
  conflict: 6,
  /** EX_USAGE of sysexits(3). */
  usage: 64,
  /** Exit code 128 plus the number of the signal, as shells report it. */
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Gives the exit code of a status. Too many requests and an unavailable store are the same to a script: retry later. */
export function exitCodeOfStatus(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.refused;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412 || status === 428) return EXIT.conflict;
  if (status === 429 || status === 503 || status === 504) return EXIT.unreachable;
  return EXIT.failed;
}

/** Problem in a file of the caller, with lines and columns from 1. */
export interface FileProblem {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** JSON pointer into the document, if the problem has one. */
  readonly pointer?: string | undefined;
  readonly message: string;
}

/** The caller must correct something: arguments, a profile, a file. Nothing was sent. */
export class UsageError extends Error {
  readonly problems: readonly FileProblem[];

  constructor(message: string, problems: readonly FileProblem[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
    this.problems = problems;
  }
}

/** `file:line:column: message`, the format that compilers print and editors parse. */
export function problemLine({ file, line, column, pointer, message }: FileProblem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const at = pointer === undefined || pointer === '' ? '' : `${pointer} `;
  return `${place}: ${at}${message}`;
}

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'is not readable by this user',
  EISDIR: 'is a directory',
};

/** Formats the reason why a file could not be read, as the end of a sentence that begins with its name. */
export function readFailure(error: unknown): string {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return READ_FAILURES[code] ?? `cannot be read (${code})`;
}

/** Failure of a command after it sent something; the message describes it, and the exit code classifies it. */
export class Failed extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failed';
    this.exitCode = exitCode;
  }
}

/** A signal or a closed pipe stopped the command. The only thing to report is its progress. */
export class Interrupted extends Error {
  readonly exitCode: ExitCode;
  /** Progress of the command; empty if nothing was started. */
  readonly progress: string;

  constructor(exitCode: ExitCode, progress = '') {
    super('interrupted');
    this.name = 'Interrupted';
    this.exitCode = exitCode;
    this.progress = progress;
  }
}
