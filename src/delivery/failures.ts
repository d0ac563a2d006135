/** Exit codes of the agent: docs/agent.md explains each. */
export const EXIT = {
  done: 0,
  internal: 1,
  config: 2,
  unreachable: 3,
  denied: 4,
  delivery: 5,
} as const;

/** What ends the agent, in words that may be shown: never a value, never a token. */
export class AgentFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** The configuration cannot be used; all that is wrong with it, one problem a line. */
export class ConfigError extends AgentFailure {
  constructor(source: string, problems: readonly string[]) {
    super(EXIT.config, [`${source}:`, ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
}

/** Nobody answered in the time that there was. */
export class OutOfTime extends AgentFailure {
  constructor(message: string) {
    super(EXIT.unreachable, message);
  }
}

/** The broker said no to what the agent cannot do without. */
export class Denied extends AgentFailure {
  constructor(message: string) {
    super(EXIT.denied, message);
  }
}

/** A secret is here, and could not be handed over: a file, a template or a child process failed. */
export class DeliveryError extends AgentFailure {
  constructor(message: string) {
    super(EXIT.delivery, message);
  }
}
