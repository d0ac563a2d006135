import { isatty } from 'node:tty';
import { readText } from '../cli/connection/connection.ts';
import type { Broker } from '../cli/connection/broker.ts';
import type { Call, CliContext } from '../cli/connection/context.ts';
import { EXIT, Failed, UsageError } from '../cli/kernel/errors.ts';
import { failureOf } from '../cli/output/failure.ts';
import { disclosed } from '../cli/verbs/get.ts';
import { dotenvEntries } from '../cli/input/secret-values.ts';
import { Child } from '../delivery/agent/child/child.ts';
import { childEnvironment } from '../delivery/agent/child/environment.ts';
import { DeliveryError } from '../delivery/failures.ts';
import { Sensitive } from '../domain/secrets/sensitive.ts';
import { isVariableName } from '../domain/text/dotenv.ts';
import { isSecretPath } from '../domain/words/names.ts';

export interface RunOptions {
  readonly env?: readonly string[];
  readonly from?: string;
  readonly watch?: boolean;
  readonly signal?: string;
}

/** The key of a secret that each variable gets. */
type Variables = Readonly<Record<string, { readonly secret: string; readonly key: string }>>;
type Environment = Record<string, string | undefined>;

interface Running {
  readonly context: CliContext;
  readonly broker: Broker;
  readonly variables: Variables;
  readonly child: Child;
  /** The version of each path that the program has. */
  versions: ReadonlyMap<string, string>;
}

/** Each poll is one request for a path and one entry in the audit log. */
const POLL_MS = 15_000;
/** Time to end after SIGTERM before a restart kills the program. */
const STOP_MS = 10_000;
/** A terminal sends these to all programs in front of it: passed on, they would arrive twice, and many programs take a second Ctrl-C for "now". */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH'];
const FORWARDED = [...FROM_TERMINAL, 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
const SIGNALS: readonly string[] = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGTERM', 'SIGQUIT'];

/** Runs a program with secrets in its environment, and nothing on disk. @returns the exit code of the program */
export async function runWithSecrets(
  context: CliContext,
  { args: command, options }: Call<RunOptions>,
): Promise<number> {
  const { watch = false, signal } = options;
  if (signal !== undefined && !watch) throw new UsageError('--signal needs --watch');
  if (signal !== undefined && !SIGNALS.includes(signal)) {
    throw new UsageError(`--signal ${signal}: must be one of ${SIGNALS.join(', ')}`);
  }
  const variables = await variablesOf(options);
  const broker = await context.broker();
  const { environment, versions } = await readEnvironmentOf(context, variables);
  // A caller that may not see versions learns it before the program starts.
  if (watch) await changedPaths(broker, versions);
  context.signal.throwIfAborted();
  const child = new Child({
    command,
    settings: { stopSignal: 'SIGTERM', stopAfter: STOP_MS },
    clock: context.clock,
    log: {
      error: ({ error }, text) => context.output.note(`${command[0]}: ${text}: ${String(error)}`),
    },
  });
  const stopForwarding = forwardSignals(child);
  context.handOverSignals();
  child.start(environment);
  const ended = new AbortController();
  if (watch) {
    const running = { context, broker, variables, child, versions };
    void follow(running, signal as NodeJS.Signals | undefined, ended.signal);
  }
  const code = await child.exit;
  ended.abort();
  stopForwarding();
  return code;
}

/** @throws UsageError */
async function variablesOf({ env = [], from }: RunOptions): Promise<Variables> {
  const file = from === undefined ? [] : dotenvEntries(from, await readText(from));
  const variables = new Map<string, Variables[string]>();
  const add = (name: string, reference: string, place: string): void => {
    const [, secret = '', key = ''] = /^([^#]*)#(.+)$/s.exec(reference) ?? [];
    if (!isVariableName(name) || !isSecretPath(secret)) {
      throw new UsageError(
        `${place}: must be NAME=path#key, such as DB_PASSWORD=payments/db#password`,
      );
    }
    if (variables.has(name)) throw new UsageError(`${place}: the variable ${name} is set twice`);
    variables.set(name, { secret, key });
  };
  for (const { name, value, line } of file) add(name, value, `${from ?? ''}:${line}`);
  for (const [index, word] of env.entries()) {
    const [, name = '', reference = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    // The word itself is not repeated: someone may have written a value.
    add(name, reference, `--env number ${index + 1}`);
  }
  if (variables.size > 0) return Object.fromEntries(variables);
  throw new UsageError(
    'run needs --env NAME=path#key or --from FILE; the program follows after --',
  );
}

async function readEnvironmentOf(
  context: CliContext,
  variables: Variables,
): Promise<{ readonly environment: Environment; readonly versions: ReadonlyMap<string, string> }> {
  const paths = [...new Set(Object.values(variables).map(({ secret }) => secret))];
  const body = { items: paths.map((path) => ({ path })) };
  const answer = await (await context.broker()).call('readSecrets', { body });
  const secrets = disclosed(answer.body.items);
  const values = new Map(secrets.map(({ path, data }) => [path, { data: new Sensitive(data) }]));
  try {
    const environment = childEnvironment(variables, values, context.environment.inherited);
    return { environment, versions: new Map(secrets.map(({ path, version }) => [path, version])) };
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    throw new Failed(error.message, EXIT.notFound);
  }
}

/** Passes signals on until the returned function is called. */
function forwardSignals(child: Child): () => void {
  const hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  const forward = (signal: NodeJS.Signals): void => {
    if (!hasTerminal || !FROM_TERMINAL.includes(signal)) child.signal(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward);
  };
}

/** Restarts or signals the program when a secret has another version, until the program has ended. */
async function follow(
  running: Running,
  signal: NodeJS.Signals | undefined,
  ended: AbortSignal,
): Promise<void> {
  const { context, broker } = running;
  let problem = '';
  while (await hasSlept(context, ended)) {
    try {
      const changed = await changedPaths(broker, running.versions);
      if (changed.length > 0 && !ended.aborted) await renew(running, signal, changed);
      problem = '';
    } catch (error) {
      const { text } = failureOf(error);
      if (text !== problem && !ended.aborted) context.output.note(`not followed now: ${text}`);
      problem = text;
    }
  }
}

async function hasSlept({ clock }: CliContext, ended: AbortSignal): Promise<boolean> {
  await clock.sleep(POLL_MS, ended).catch(() => undefined);
  return !ended.aborted;
}

async function changedPaths(
  broker: Broker,
  versions: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const [path, version] of versions) {
    const { body } = await broker.call('listSecretVersions', { path: { path } });
    const current = body.items.find(({ state }) => state === 'current');
    if (current !== undefined && current.version !== version) changed.push(path);
  }
  return changed;
}

async function renew(
  running: Running,
  signal: NodeJS.Signals | undefined,
  changed: readonly string[],
): Promise<void> {
  const { context, variables, child } = running;
  const { environment, versions } = await readEnvironmentOf(context, variables);
  running.versions = versions;
  const names = changed.join(', ');
  if (signal === undefined) {
    context.output.note(`changed: ${names}; the program is restarted`);
    await child.restart(() => environment);
  } else {
    context.output.note(
      `changed: ${names}; the program gets ${signal}, and its environment keeps the old values`,
    );
    child.signal(signal);
  }
}
