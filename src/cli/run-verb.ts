import { systemClock } from '../clock.ts';
import { ending } from './broker.ts';
import type { ConnectionOptions } from './connection.ts';
import type { CliContext, Verb } from './context.ts';
import { readEnvironment } from './environment.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { failureOf, type Failure } from './failure.ts';
import { Interrupted } from './interrupted.ts';
import type { Format } from './output/formats.ts';
import { Output } from './output/output.ts';
import { printableJson } from './output/printable.ts';

interface EveryOption extends ConnectionOptions {
  readonly output?: Format;
}

/** Runs one verb from the words behind it to its exit code; says on standard error what went wrong. */
export async function runVerb<Options>(
  args: readonly string[],
  given: EveryOption & Options,
  load: () => Promise<Verb<Options>>,
): Promise<ExitCode> {
  // Whoever writes a result hears of it from the write; what only goes to who watches ends nothing.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const output = new Output(given.output ?? 'table', process);
  const ended = endedFromOutside();
  const closings: (() => void)[] = [];
  try {
    const context = createContext(given, output, ended, closings);
    const code = await (await load())(context, { args, options: given });
    ended.throwIfAborted();
    return typeof code === 'number' ? (code as ExitCode) : EXIT.done;
  } catch (error) {
    const isOutcome = error instanceof Interrupted || !ended.aborted;
    const failure = failureOf(isOutcome ? error : ended.reason);
    tell(failure, output);
    return failure.exitCode;
  } finally {
    output.endProgress();
    for (const close of closings) close();
  }
}

function createContext(
  options: ConnectionOptions,
  output: Output,
  signal: AbortSignal,
  closings: (() => void)[],
): CliContext {
  const environment = readEnvironment(process.env);
  let opened: ReturnType<CliContext['broker']> | undefined;
  const open: CliContext['broker'] = async () => {
    const { openBroker } = await import('./open-broker.ts');
    const { broker, close } = await openBroker(options, environment, systemClock);
    closings.push(close);
    return ending(broker, signal);
  };
  return {
    output,
    environment,
    clock: systemClock,
    signal,
    // Opened when it is read: a verb that does not read must not wait for what is piped to it.
    get stdin() {
      return process.stdin;
    },
    broker: () => (opened ??= open()),
  };
}

/** Aborted by Ctrl-C and by a request to end. */
function endedFromOutside(): AbortSignal {
  const ended = new AbortController();
  const end = (code: ExitCode): void => ended.abort(new Interrupted(code));
  process.once('SIGINT', () => end(EXIT.interrupted));
  process.once('SIGTERM', () => end(EXIT.terminated));
  return ended.signal;
}

function tell({ text, json }: Failure, output: Output): void {
  if (text === '') return;
  output.note(output.format === 'json' ? printableJson(json) : text);
}
