import { AgentFailure, EXIT } from '../failures.ts';
import { runCommandLine } from './run-command-line.ts';

/** `quaymaster agent …`: the words before it are Node's and the program's own. */
const words = process.argv.slice(3);

// Node would open its inspector at SIGUSR1, through which everybody in the pod's network could read the memory.
process.on('SIGUSR1', () => undefined);

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const print = (text: string): void => void process.stdout.write(text);
// No await at the top: the agent is bundled as CommonJS, which starts faster (docs/performance.md).
void runCommandLine(words, process.env, print).then((code) => process.exit(code), fail);

/** A failure of ours says what may be said. Of anything else only its kind and place: its message may hold what it failed on. */
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
