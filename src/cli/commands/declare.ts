import { Option, type Command } from 'commander';
import type { Verb } from '../context.ts';
import { FORMATS, type Format } from '../output/formats.ts';

interface Shown {
  readonly output: Format;
}

const CONNECTION = 'Connection:';

/** Gives a command its action, whose code is loaded when it runs, and the way its result is shown. */
export function local<Options extends object>(
  command: Command,
  load: () => Promise<Verb<Options>>,
): Command {
  return command
    .addOption(
      new Option('-o, --output <format>', 'how results are shown')
        .choices(FORMATS)
        .default('table'),
    )
    .action(async () => {
      const { runVerb } = await import('../run-verb.ts');
      process.exitCode = await runVerb(command.args, command.opts<Options & Shown>(), load);
    });
}

/** As {@link local}, for a verb that asks a broker. */
export function online<Options extends object>(
  command: Command,
  load: () => Promise<Verb<Options>>,
): Command {
  return withConnection(local(command, load));
}

function withConnection(command: Command): Command {
  const options = [
    new Option(
      '--profile <name>',
      'the profile to use; else QUAYMASTER_PROFILE, else the last login',
    ),
    new Option('--url <url>', 'the broker; else QUAYMASTER_URL, else that of the profile'),
    new Option(
      '--token-file <file>',
      'a file with the token; else QUAYMASTER_TOKEN_FILE, else that of the profile',
    ),
    new Option(
      '--ca <file>',
      "the authority of the broker's certificate; else QUAYMASTER_CA_FILE, else that of the profile",
    ),
  ];
  for (const option of options) command.addOption(option.helpGroup(CONNECTION));
  return command;
}
