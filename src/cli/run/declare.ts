import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import type { Clock } from '../../ports/clock.ts';
import { FORMATS, type Format } from '../output/formats.ts';
import type {
  ActionRow,
  ArgumentRow,
  CommandRow,
  CommandTable,
  CommandWords,
  OptionRow,
} from './command.ts';

function outputOption(more: readonly Format[] = []): OptionRow {
  const choices = [...FORMATS, ...more];
  return ['-o, --output <format>', 'output format', { choices, fallback: 'table' }];
}

const CONNECTION: readonly OptionRow[] = [
  ['--profile <name>', 'profile to use; default: QUAYMASTER_PROFILE, else the last login'],
  ['--url <url>', 'URL of the broker; default: QUAYMASTER_URL, else from the profile'],
  [
    '--token-file <file>',
    'file that holds the token; default: QUAYMASTER_TOKEN_FILE, else from the profile',
  ],
  [
    '--ca <file>',
    "PEM file with the CA of the broker's certificate; default: QUAYMASTER_CA_FILE, else from the profile",
  ],
  [
    '--client-cert <file>',
    'PEM file with your client certificate and its intermediates; default: QUAYMASTER_CLIENT_CERT_FILE, else from the profile',
  ],
  [
    '--client-key <file>',
    'PEM file with its private key; default: QUAYMASTER_CLIENT_KEY_FILE, else from the profile',
  ],
];

/** Second names, which users of Vault, Git and others type. */
const ALIASES: Readonly<Record<string, string>> = {
  ls: 'list',
  rm: 'delete',
  versions: 'history',
};

/** Adds the commands of a table; `load` or `run` of a row runs with its command. `whole` creates the program with all commands. */
export function addTable(
  program: Command,
  clock: Clock,
  { heading, groups, commands }: CommandTable<CommandRow | ActionRow>,
  whole: () => Command,
): void {
  program.commandsGroup(heading);
  for (const row of commands) {
    const command = addCommand(program, row, groups);
    if ('run' in row) addAction(command, row);
    else addVerb(command, row, whole, clock);
  }
}

function addAction(command: Command, { mayConnect, run }: ActionRow): void {
  if (mayConnect === true) addConnection(command);
  // Commander has parsed the options by the row that also has the action.
  command.action(() => run({ args: command.args, options: command.opts<never>() }));
}

/** Loads and runs a verb with the context of the client. */
function addVerb(command: Command, row: CommandRow, whole: () => Command, clock: Clock): void {
  command.addOption(optionOf(outputOption(row.formats)));
  if (row.isLocal !== true) addConnection(command);
  command.action(async () => {
    const { runVerb } = await import('./run-verb.ts');
    process.exitCode = await runVerb(command.args, command.opts(), clock, () => row.load(whole));
  });
}

function addConnection(command: Command): void {
  for (const each of CONNECTION) command.addOption(optionOf(each).helpGroup('Connection:'));
}

/** Adds a command with its arguments, options and examples. */
function addCommand(
  program: Command,
  words: CommandWords,
  groups: Readonly<Record<string, string>> = {},
): Command {
  const { command: path, summary, details, examples } = words;
  const names = path.split(' ');
  const parent = names.slice(0, -1).reduce((group, name, index) => {
    const known = group.commands.find((each) => each.name() === name);
    const description = groups[names.slice(0, index + 1).join(' ')] ?? '';
    return known ?? group.command(name).description(description);
  }, program);
  const name = names.at(-1) ?? '';
  const command = parent
    .command(name)
    .summary(summary)
    .description(details === undefined ? summary : `${summary}.\n\n${details}`);
  const alias = ALIASES[name];
  if (alias !== undefined) command.alias(alias);
  for (const each of words.arguments ?? []) command.addArgument(argumentOf(each));
  for (const each of words.options ?? []) command.addOption(optionOf(each));
  const heading = examples.length === 1 ? 'Example:' : 'Examples:';
  return command.addHelpText(
    'after',
    ['', heading, ...examples.map((line) => `  ${line}`)].join('\n'),
  );
}

function argumentOf([name, description, { choices } = {}]: ArgumentRow): Argument {
  const argument = new Argument(name, description);
  return choices === undefined ? argument : argument.choices(choices);
}

const COMPLETED = new WeakMap<Option, readonly string[]>();

/** Values of an option that a shell completes. */
export function valuesOf(option: Option): readonly string[] {
  return option.argChoices ?? COMPLETED.get(option) ?? [];
}

function optionOf([flags, description, more = {}]: OptionRow): Option {
  const { choices, fallback, isRequired = false, isRepeated, words, completes = words } = more;
  const option = new Option(flags, description).makeOptionMandatory(isRequired);
  if (choices !== undefined) option.choices(choices);
  if (completes !== undefined) COMPLETED.set(option, completes);
  if (fallback !== undefined) option.default(fallback);
  if (isRepeated === true) option.argParser(collected);
  if (words !== undefined) option.argParser(collectedWords(words));
  return option;
}

function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function collectedWords(
  words: readonly string[],
): (text: string, before?: readonly string[]) => readonly string[] {
  return (text, before = []) => {
    const values = text.split(',');
    const unknown = values.find((value) => !words.includes(value));
    if (unknown === undefined) return [...before, ...values];
    throw new InvalidArgumentError(`${unknown} is not one of ${words.join(', ')}.`);
  };
}
