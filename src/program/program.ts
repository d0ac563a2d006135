import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { addTable } from '../cli/run/declare.ts';
import { CLIENT_TABLES } from '../cli/commands/tables.ts';
import { printableText } from '../cli/output/printable.ts';
import { BrokerError } from '../domain/errors.ts';
import { systemClock } from '../process/clock.ts';
import { leaveMemoryOutOfCoreFiles } from '../process/core-files.ts';
import { VERSION } from '../process/version.ts';
import { AUDIT_FILES } from './commands/audit.ts';
import { BACKUP_FILES, RESTORE } from './commands/backups.ts';
import { BROKER, MAINTENANCE } from './commands/broker.ts';
import { DELIVERY } from './commands/delivery.ts';
import { printError, writeOut } from './output.ts';
import { withAdvice } from './foreign-words.ts';

const EXIT_FAILED = 1;
/** Exit code for an invalid configuration: a restart does not help. */
const EXIT_INVALID = 2;
/** Exit code EX_USAGE of sysexits(3). */
const EXIT_USAGE = 64;

/** Tables in the order of the help. */
const TABLES = [
  ...CLIENT_TABLES,
  AUDIT_FILES,
  BROKER,
  BACKUP_FILES,
  RESTORE,
  MAINTENANCE,
  DELIVERY,
];

const FIRST_STEPS = `
First steps:
  quaymaster dev                                              start a broker on this machine to try things out
  quaymaster login --url https://HOST:PORT --token-file FILE  log in to a running broker as an operator
  quaymaster whoami                                           show who you are and when your token expires

Each command has a --help with examples; docs/commands.md lists all commands.`;

/**
 * All commands with their arguments and options, or only those that begin with `first`, if there are any: declaring all of them takes 7 ms of each
 * start. The code of a command is loaded when it runs.
 */
export function createProgram(first?: string): Command {
  const program = new Command('quaymaster')
    .description('A secrets broker for containers.')
    .version(VERSION)
    // A command may have a `--version` of its own.
    .enablePositionalOptions()
    .showHelpAfterError('(run with --help for details)')
    .configureOutput({
      writeOut,
      writeErr: (text) => process.stderr.write(printableText(text)),
      outputError: (text, write) => write(withAdvice(text)),
    })
    .exitOverride();
  const named = TABLES.map(({ commands, ...table }) => ({
    ...table,
    commands: commands.filter(({ command }) => command.split(' ')[0] === first),
  }));
  const isKnown = named.some(({ commands }) => commands.length > 0);
  for (const table of isKnown ? named : TABLES) {
    addTable(program, systemClock, table, createProgram);
  }
  return program.addHelpText('after', FIRST_STEPS);
}

/** Runs one command. A command that keeps running resolves when it has started. @returns the exit code, if the process must exit at once */
export async function runProgram(): Promise<number | undefined> {
  leaveMemoryOutOfCoreFiles();
  try {
    await createProgram(process.argv[2]).parseAsync();
    return undefined;
  } catch (error) {
    return reportFailure(error);
  }
}

/** Commander has reported its own errors already. */
function reportFailure(error: unknown): number | undefined {
  if (error instanceof CommanderError) return error.exitCode === 0 ? undefined : EXIT_USAGE;
  const failure = BrokerError.from(error);
  const lines = [`${failure.code}: ${failure.message}`];
  if (failure.code === 'ERR_INTERNAL') lines.push(inspect(failure.cause));
  else if (failure.cause instanceof Error) lines.push(`  because: ${failure.cause.message}`);
  printError(lines.join('\n'));
  return failure.code === 'ERR_CONFIG_INVALID' ? EXIT_INVALID : EXIT_FAILED;
}
