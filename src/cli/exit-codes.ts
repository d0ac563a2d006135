/** What the process says when it ends; docs/cli.md explains each. 2 is kept for "changes would be made", so that CI can tell it from a mistake. */
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
  /** 128 and the signal, as shells count. */
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** By what the broker answered: too many requests and a store that is away are the same to a script, "not now". */
export function exitCodeOfStatus(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.refused;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412 || status === 428) return EXIT.conflict;
  if (status === 429 || status === 503 || status === 504) return EXIT.unreachable;
  return EXIT.failed;
}
