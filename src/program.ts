import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { addAuditQueries, addClientVerbs } from './cli/main.ts';
import { printableText } from './cli/output/printable.ts';
import { BrokerError } from './domain/errors.ts';
import { RELEASE } from './compose/release.ts';
import { leanStart } from './lean-start.ts';

const DEFAULT_CONFIG = '/etc/quaymaster/config.yaml';
const EXIT_FAILED = 1;
/** Bad configuration: starting again does not help. */
const EXIT_INVALID = 2;
/** EX_USAGE of sysexits(3): the words make no sense. */
const EXIT_USAGE = 64;

const TO_BEGIN = `
To begin:
  quaymaster dev                                              a broker on this machine, to try things on
  quaymaster login --url https://HOST:PORT --token-file FILE  ask a broker that runs, as an operator
  quaymaster whoami                                           as whom, and until when

Each verb has a --help; docs/cli.md has them all.`;

/** Every verb with its words; what a verb does is loaded when it runs. */
export function createProgram(): Command {
  const quaymaster = new Command('quaymaster')
    .description('A secrets broker for containers.')
    .version(RELEASE)
    // A verb may have a `--version` of its own.
    .enablePositionalOptions()
    .showHelpAfterError('(--help says more)')
    .configureOutput({ writeErr: (text) => process.stderr.write(printableText(text)) })
    .exitOverride();
  const withConfig = (command: Command): Command =>
    command.option('-c, --config <file>', 'the configuration file', DEFAULT_CONFIG);

  addClientVerbs(quaymaster);
  addAudit(quaymaster.commandsGroup('The log:'), withConfig);
  addBroker(quaymaster.commandsGroup('The broker itself:'), withConfig);
  addBesideApplications(quaymaster.commandsGroup('Beside applications:'));
  return quaymaster.addHelpText('after', TO_BEGIN);
}

function addBroker(quaymaster: Command, withConfig: (command: Command) => Command): void {
  withConfig(quaymaster.command('serve').description('run the broker'))
    .option(
      '--trust-clock',
      'use the system clock although the log has later entries: docs/operations.md',
    )
    .action(async (options: { config: string; trustClock?: boolean }) => {
      await leanStart(async () => {
        const { runServe } = await import('./compose/verbs/serve.ts');
        await runServe(options);
      });
    });
  withConfig(
    quaymaster
      .command('init')
      .description(
        'make what is missing of an installation, and one operator token that ends soon',
      ),
  )
    .requiredOption('--token-file <file>', 'a new file of mode 0600 for the token')
    .option('--token-ttl <duration>', 'how long the token lives', '1h')
    .action(async (options: { config: string; tokenFile: string; tokenTtl: string }) => {
      const { runInit } = await import('./compose/verbs/init.ts');
      print(await runInit(options));
    });
  quaymaster
    .command('dev')
    .description('run a broker on this machine with everything it needs, and a small demonstration')
    .option('--directory <dir>', 'where it keeps its files', '.quaymaster')
    .option('--port <port>', 'on 127.0.0.1', '8200')
    .action(async (options: { directory: string; port: string }) => {
      const { runDev } = await import('./compose/dev/run-dev.ts');
      await runDev(options, print);
    });
  addConfig(quaymaster, withConfig);
  addUpkeep(quaymaster, withConfig);
}

function addBesideApplications(quaymaster: Command): void {
  // Begun by main.ts; here it has its line in the help.
  quaymaster.command('agent').description('bring secrets to one pod, beside it: docs/agent.md');
  quaymaster
    .command('csi-provider')
    .description('serve the Secrets Store CSI driver of one node: docs/csi.md')
    .option(
      '-c, --config <file>',
      'its own configuration file',
      '/etc/quaymaster/csi-provider.yaml',
    )
    .action(async ({ config }: { config: string }) => {
      const { runCsiProvider } = await import('./compose/verbs/csi-provider.ts');
      await runCsiProvider(config);
    });
}

function addUpkeep(quaymaster: Command, withConfig: (command: Command) => Command): void {
  withConfig(
    quaymaster
      .command('release')
      .description('unlock a store that is held, after you have looked at it: docs/operations.md'),
  )
    .requiredOption('--comment <text>', 'why; it goes into the log')
    .action(async (options: { config: string; comment: string }) => {
      const { runRelease } = await import('./compose/verbs/release.ts');
      print(await runRelease(options));
    });
  withConfig(
    quaymaster
      .command('healthcheck')
      .description('exit 0 when the broker on this machine is alive'),
  ).action(async ({ config }: { config: string }) => {
    const { runHealthcheck } = await import('./compose/verbs/healthcheck.ts');
    print(await runHealthcheck(config));
  });
}

function addConfig(quaymaster: Command, withConfig: (command: Command) => Command): void {
  const config = quaymaster.command('config').description('look at the configuration');
  withConfig(config.command('check').description('say all that is wrong with it')).action(
    async (options: { config: string }) => {
      const { loadConfig } = await import('./compose/config/load.ts');
      await loadConfig(options.config);
      print(`${options.config} is valid`);
    },
  );
}

function addAudit(quaymaster: Command, withConfig: (command: Command) => Command): void {
  const audit = quaymaster.command('audit').description('look into the log, take it out, prove it');
  addAuditQueries(audit);
  withConfig(
    audit
      .command('export')
      .description(
        'write the log into a new directory: from the store, or with --url from a running broker',
      ),
  )
    .argument('<directory>', 'a directory that does not exist yet')
    .option('--url <url>', 'a running broker')
    .option('--token-file <file>', "an auditor's token, with --url")
    .action(
      async (directory: string, options: { config: string; url?: string; tokenFile?: string }) => {
        const { runAuditExport } = await import('./compose/verbs/audit-export.ts');
        const { text, damage } = await runAuditExport(directory, options, progress);
        print(text);
        if (damage.length === 0) return;
        console.error(
          'THE LOG IS DAMAGED; the export has what verifies, and its manifest names the rest:',
        );
        for (const each of damage) console.error(printableText(each));
        process.exitCode = EXIT_FAILED;
      },
    );
  audit
    .command('verify')
    .description('check an export offline; without --checkpoint it can only be self-consistent')
    .argument('<directory>', 'an export')
    .option('--checkpoint <file>', 'a checkpoint kept outside the store')
    .option('--log-key <text>', "the log's verifier key, from elsewhere than the export")
    .action(async (directory: string, options: { checkpoint?: string; logKey?: string }) => {
      const { runAuditVerify } = await import('./compose/verbs/audit-verify.ts');
      const report = await runAuditVerify(directory, options, progress);
      print(report.text);
      process.exitCode = report.holds ? 0 : EXIT_FAILED;
    });
}

/** Escapes control characters: printed text may come from others, and a terminal must not obey it. */
function print(text: string): void {
  console.log(printableText(text));
}

/** Shows the progress of long work in one line, on a terminal only. */
function progress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${done} of ${total} entries${done === total ? '\n' : ''}`);
}

/** Runs one verb. Resolves when it has begun, where it is one that goes on. @returns the code to end with at once, if any */
export async function runProgram(): Promise<number | undefined> {
  try {
    await createProgram().parseAsync();
    return undefined;
  } catch (error) {
    return failed(error);
  }
}

/** Says on standard error what is not said yet. */
function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const failure = BrokerError.from(error);
  const lines = [`${failure.code}: ${failure.message}`];
  if (failure.code === 'ERR_INTERNAL') lines.push(inspect(failure.cause));
  else if (failure.cause instanceof Error) lines.push(`  because: ${failure.cause.message}`);
  console.error(printableText(lines.join('\n')));
  return failure.code === 'ERR_CONFIG_INVALID' ? EXIT_INVALID : EXIT_FAILED;
}
