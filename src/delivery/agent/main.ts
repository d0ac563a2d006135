import { leaveMemoryOutOfCoreFiles } from '../../process/core-files.ts';
import { AgentFailure, EXIT } from '../failures.ts';
import { runCommandLine } from './run-command-line.ts';

/** The arguments after `quaymaster agent`. */
const words = process.argv.slice(3);

// Node would open its inspector at SIGUSR1, and any process in the pod's network could read the memory through it.
process.on('SIGUSR1', () => undefined);

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

// The program that `exec` starts would inherit the setting, and its author may need its core files.
if (words[0] !== 'exec') leaveMemoryOutOfCoreFiles();

/** 141 is the code by which shells report SIGPIPE: the reader of a pipe may close it early, as `head` does. */
const BROKEN_PIPE = 141;
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) =>
  process.exit(code === 'EPIPE' ? BROKEN_PIPE : EXIT.internal),
);

const print = (text: string): void => void process.stdout.write(text);
// No await at the top: the agent is bundled as CommonJS, which starts faster (internals/measurements/agent.md).
void runCommandLine(words, process.env, print).then((code) => process.exit(code), fail);

/** Messages of AgentFailure may be shown. Of any other error only type and stack are: its message may contain a secret. */
function fail(error: unknown): never {
  const text =
    error instanceof AgentFailure
      ? error.message
      : `internal error: ${error instanceof Error ? `${error.name}\n${placeOf(error)}` : typeof error}`;
  process.stderr.write(`quaymaster agent: ${text}\n`);
  process.exit(error instanceof AgentFailure ? error.exitCode : EXIT.internal);
}

function placeOf({ stack = '' }: Error): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}
