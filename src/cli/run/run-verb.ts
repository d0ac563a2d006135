import type { Clock } from '../../ports/clock.ts';
import { abortedBy } from '../connection/broker.ts';
import { findTarget, type ConnectionOptions } from '../connection/connection.ts';
import type { CliContext, Verb } from '../connection/context.ts';
import { readEnvironment } from '../connection/environment.ts';
import { EXIT, Interrupted, type ExitCode } from '../kernel/errors.ts';
import { failureOf, type Failure } from '../output/failure.ts';
import type { Format } from '../output/formats.ts';
import { Output } from '../output/output.ts';
import { printableJson } from '../output/printable.ts';
import { distance } from '../kernel/time.ts';

interface CommonOptions extends ConnectionOptions {
  readonly output?: Format;
}

/** Runs one verb and reports its failure on standard error. @returns the exit code */
export async function runVerb(
  args: readonly string[],
  given: CommonOptions,
  clock: Clock,
  load: () => Promise<Verb<never>>,
): Promise<ExitCode> {
  // Write errors on results are reported by the write itself; progress output may fail silently.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const output = new Output(given.output ?? 'table', process);
  const interruption = catchSignals();
  const { signal } = interruption;
  const closings: (() => void)[] = [];
  let context: CliContext | undefined;
  try {
    context = createContext(given, { output, clock, ...interruption }, closings);
    const verb = await load();
    // Commander has parsed the options by the row that also names the verb.
    const run = (): ReturnType<typeof verb> =>
      verb(context as CliContext, { args, options: given as never });
    const code = await run().catch(async (error: unknown) => {
      if (!(await hasLoggedInAgain(context as CliContext, error))) throw error;
      context = createContext(given, { output, clock, ...interruption }, closings);
      return run();
    });
    signal.throwIfAborted();
    return typeof code === 'number' ? (code as ExitCode) : EXIT.done;
  } catch (error) {
    const reportsProgress = error instanceof Interrupted || !signal.aborted;
    const failure = failureOf(reportsProgress ? error : signal.reason, await readExpiry(context));
    report(failure, output);
    return failure.exitCode;
  } finally {
    interruption.handOverSignals();
    output.endProgress();
    for (const close of closings) close();
  }
}

/** Logs the person in again if that lets the command succeed, and tells whether it did. Without a terminal no person is there to do so. */
async function hasLoggedInAgain(context: CliContext, error: unknown): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const { renewLogin } = await import('../connection/person-login.ts');
  return renewLogin(context, error);
}

/** Time at which the token of the profile expired; undefined if it has not, or if its end is not known. */
async function readExpiry(context: CliContext | undefined): Promise<string | undefined> {
  const target = await context?.target().catch(() => undefined);
  const login = target?.profile.login;
  if (context === undefined || login?.kind !== 'operator' || login.endsAt === undefined)
    return undefined;
  const now = context.clock.now();
  const end = Date.parse(login.endsAt);
  return end <= now ? distance(end, now) : undefined;
}

function createContext(
  options: ConnectionOptions,
  {
    output,
    clock,
    signal,
    handOverSignals,
  }: Pick<CliContext, 'output' | 'clock' | 'signal' | 'handOverSignals'>,
  closings: (() => void)[],
): CliContext {
  const environment = readEnvironment(process.env);
  let target: ReturnType<CliContext['target']> | undefined;
  let broker: ReturnType<CliContext['broker']> | undefined;
  const findOnce: CliContext['target'] = () => (target ??= findTarget(options, environment));
  const open: CliContext['broker'] = async () => {
    const { openBroker } = await import('../connection/open-broker.ts');
    const opened = await openBroker(await findOnce(), { environment, clock, output });
    closings.push(opened.close);
    return abortedBy(opened.broker, signal);
  };
  return {
    output,
    environment,
    clock,
    signal,
    handOverSignals,
    // Opened when a verb reads it: a verb that does not read it must not wait for the other end of a pipe.
    get stdin() {
      return process.stdin;
    },
    target: findOnce,
    broker: () => (broker ??= open()),
  };
}

interface Interruption {
  readonly signal: AbortSignal;
  readonly handOverSignals: () => void;
}

/** A signal that Ctrl-C and SIGTERM abort until they are handed over. */
function catchSignals(): Interruption {
  const controller = new AbortController();
  const abort = (code: ExitCode): void => controller.abort(new Interrupted(code));
  const [interrupt, terminate] = [() => abort(EXIT.interrupted), () => abort(EXIT.terminated)];
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', terminate);
  const handOverSignals = (): void => {
    process.off('SIGINT', interrupt).off('SIGTERM', terminate);
  };
  return { signal: controller.signal, handOverSignals };
}

function report({ text, json }: Failure, output: Output): void {
  if (text === '') return;
  output.note(output.format === 'json' ? printableJson(json) : text);
}
