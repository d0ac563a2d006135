/** Exit codes of the agent; docs/agent.md explains each. */
export const EXIT = {
  done: 0,
  internal: 1,
  config: 2,
  unreachable: 3,
  denied: 4,
  delivery: 5,
} as const;

/** A failure that ends the agent. Its message may be shown: it never has a value or a token in it. */
export class AgentFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** The configuration cannot be used. The message lists all problems, one on each line. */
export class ConfigError extends AgentFailure {
  constructor(source: string, problems: readonly string[]) {
    super(EXIT.config, [`${source}:`, ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
}

/** The broker did not answer in time. */
export class OutOfTime extends AgentFailure {
  constructor(message: string) {
    super(EXIT.unreachable, message);
  }
}

/** The broker refused something that the agent needs. */
export class Denied extends AgentFailure {
  constructor(message: string) {
    super(EXIT.denied, message);
  }
}

/** The agent holds a secret and cannot deliver it: a file, a template or a child process failed. */
export class DeliveryError extends AgentFailure {
  constructor(message: string) {
    super(EXIT.delivery, message);
  }
}

/** The system's code (`ENOSPC`, `EPERM`), or the class of the error: its message could quote the bytes that were being written. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'failed';
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return error.code;
  return 'name' in error && typeof error.name === 'string' ? error.name : 'failed';
}

const NOT_ALLOWED = "the agent's user has no permission: it must own the directory and its content";
/** Remedies for operators, by error code. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the volume is full: raise its sizeLimit'],
  ['EDQUOT', 'the volume is full: raise its sizeLimit'],
  ['EROFS', "the volume is read-only: mount it writable in the agent's container"],
  ['EACCES', NOT_ALLOWED],
  ['EPERM', NOT_ALLOWED],
]);

/** An error of the system with the program's own text: its own message could quote the bytes that were being written. */
export function deliveryFailure(what: string, error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const code = codeOf(error);
  const remedy = REMEDIES.get(code);
  return new DeliveryError(`${what}: ${code}${remedy === undefined ? '' : `: ${remedy}`}`);
}
