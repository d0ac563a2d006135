import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import type { ConnectionOptions } from '../cli/connection/connection.ts';
import type { CliContext } from '../cli/run/context.ts';
import {
  addClientCommands,
  addCommand,
  addConnection,
  OUTPUT,
  type CommandWords,
} from '../cli/run/main.ts';
import { AUDIT_ARCHIVE, AUDIT_VERIFY } from '../cli/commands/audit.ts';
import { UsageError } from '../cli/run/errors.ts';
import { printableText } from '../cli/output/printable.ts';
import { BrokerError } from '../domain/errors.ts';
import { RELEASE } from '../process/version.ts';
import { addBackups } from './backup-commands.ts';
import { leaveMemoryOutOfCoreFiles } from '../process/core-files.ts';
import { leanStart } from '../process/lean-start.ts';
import { preferEventLoop } from '../process/thread-priorities.ts';
import type { VerifyArguments } from '../compose/verbs/audit-verify.ts';

const EXIT_FAILED = 1;
/** Invalid configuration: a restart does not help. */
const EXIT_INVALID = 2;
/** EX_USAGE of sysexits(3). */
const EXIT_USAGE = 64;
/** Exit code with which shells report SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;

const CONFIG = [
  '-c, --config <file>',
  'configuration file of the broker',
  { fallback: '/etc/quaymaster/config.yaml' },
] as const;

const FIRST_STEPS = `
First steps:
  quaymaster dev                                              start a broker on this machine to try things out
  quaymaster login --url https://HOST:PORT --token-file FILE  log in to a running broker as an operator
  quaymaster whoami                                           show who you are and when your token expires

Each command has a --help with examples; docs/cli.md lists all commands.`;

/** All commands with their arguments and options. The code of a command is loaded when it runs. */
export function createProgram(): Command {
  const program = new Command('quaymaster')
    .description('A secrets broker for containers.')
    .version(RELEASE)
    // A command may have a `--version` of its own.
    .enablePositionalOptions()
    .showHelpAfterError('(run with --help for details)')
    .configureOutput({
      writeOut,
      writeErr: (text) => process.stderr.write(printableText(text)),
      outputError: (text, write) => write(withAdvice(text)),
    })
    .exitOverride();
  addClientCommands(program);
  addOfflineAudit(program);
  addBroker(program.commandsGroup('Broker:'));
  addBackups({ add: (...command) => add(program, ...command), print, byteProgress, CONFIG });
  addMaintenance(program);
  addDelivery(program.commandsGroup('Delivery to applications:'));
  return program.addHelpText('after', FIRST_STEPS);
}

/** Commands of Vault without a counterpart of the same name. */
const COMMANDS_OF_VAULT: Readonly<Record<string, string>> = {
  kv: 'secrets have commands of their own: get, put, patch, rm, undelete, destroy, ls and versions',
  read: 'read a secret: quaymaster get PATH; issue a dynamic credential: quaymaster credential PATH',
  write: 'write a secret: quaymaster put PATH; create documents: quaymaster apply -f FILE',
  secrets: 'list backends: quaymaster mount ls; attach one: quaymaster apply -f FILE',
  auth: 'list clusters whose pods may log in: quaymaster cluster ls',
  token: 'tokens of operators: quaymaster operator token create, ls and revoke',
  unseal: 'restart each replica to unseal it: it reads its key-encryption key by itself',
};

/**
 * An unknown command with the command that helps. `release` accepts a store that may have been rolled back, so it is never a suggestion for a
 * misspelt word such as `delete`.
 */
function withAdvice(text: string): string {
  const [, word = ''] = /^error: unknown command '(.*)'/.exec(text) ?? [];
  const advice = Object.hasOwn(COMMANDS_OF_VAULT, word) ? COMMANDS_OF_VAULT[word] : undefined;
  if (advice !== undefined) return `error: unknown command '${word}'\n(${advice})\n`;
  return text.replace(/\n\(Did you mean [^\n]*\brelease\b[^\n]*\)/, '');
}

/** Adds a command whose action gets its arguments and then its options. */
function add(
  program: Command,
  words: CommandWords,
  action: (...args: never[]) => Promise<void>,
): void {
  addCommand(program, words).action(async (...args: unknown[]) => {
    await action(...(args as never[]));
  });
}

function addBroker(program: Command): void {
  add(
    program,
    {
      command: 'serve',
      summary: 'run the broker',
      options: [
        CONFIG,
        [
          '--trust-clock',
          'trust the system clock although the log has later entries; see docs/operations.md',
        ],
      ],
      examples: ['quaymaster serve --config config.yaml'],
    },
    async (options: { config: string; trustClock?: boolean }) => {
      await leanStart(async () => {
        const { runServe } = await import('../compose/verbs/serve.ts');
        await runServe(options);
      });
      preferEventLoop();
    },
  );
  add(
    program,
    {
      command: 'init',
      summary: 'create missing keys and store, and a short-lived admin token',
      options: [
        CONFIG,
        ['--token-file <file>', 'a new file of mode 0600 for the token', { isRequired: true }],
        ['--token-ttl <duration>', 'lifetime of the token', { fallback: '1h' }],
      ],
      examples: ['quaymaster init --config config.yaml --token-file operator.token'],
    },
    async (options: { config: string; tokenFile: string; tokenTtl: string }) => {
      const { runInit } = await import('../compose/verbs/init.ts');
      print(await runInit(options));
    },
  );
  add(
    program,
    {
      command: 'dev',
      summary: 'run a broker on this machine for trying things out, with everything it needs',
      options: [
        ['--directory <dir>', 'directory for its files', { fallback: '.quaymaster' }],
        ['--port <port>', 'port on 127.0.0.1', { fallback: '8200' }],
      ],
      examples: ['quaymaster dev', 'quaymaster dev --port 8300'],
    },
    async (options: { directory: string; port: string }) => {
      const { runDev } = await import('../dev/run-dev.ts');
      await runDev(options, print);
    },
  );
}

function addMaintenance(program: Command): void {
  add(
    program,
    {
      command: 'version',
      summary: 'print the release of this program',
      examples: ['quaymaster version'],
    },
    () => {
      print(RELEASE);
      return Promise.resolve();
    },
  );
  program.command('config').description('check the configuration');
  add(
    program,
    {
      command: 'config check',
      summary: 'validate the configuration file; list every problem',
      options: [CONFIG, ['--files', 'also check every file that the configuration names']],
      examples: ['quaymaster config check --config config.yaml --files'],
    },
    async ({ config, files = false }: { config: string; files?: boolean }) => {
      const { runConfigCheck } = await import('../compose/verbs/check-files.ts');
      print(await runConfigCheck(config, files));
    },
  );
  addDoctor(program);
  add(
    program,
    {
      command: 'release',
      summary: 'unlock a store that was stopped by rollback protection; see docs/operations.md',
      options: [
        CONFIG,
        ['--comment <text>', 'reason; recorded in the audit log', { isRequired: true }],
      ],
      examples: ['quaymaster release --config config.yaml --comment INC-7'],
    },
    async (options: { config: string; comment: string }) => {
      const { runRelease } = await import('../compose/verbs/release.ts');
      print(await runRelease(options));
    },
  );
  add(
    program,
    {
      command: 'healthcheck',
      summary: 'exit 0 if the broker on this machine is alive',
      options: [CONFIG],
      examples: ['quaymaster healthcheck --config config.yaml'],
    },
    async ({ config }: { config: string }) => {
      const { runHealthcheck } = await import('../compose/verbs/healthcheck.ts');
      print(await runHealthcheck(config));
    },
  );
}

function addDoctor(program: Command): void {
  const command = addCommand(program, {
    command: 'doctor',
    summary:
      'find problems of an installation, or of one path, with their cures; exit 1 if there is one',
    details:
      'Without a path: listener, clock, over-broad policies, default accounts, audit log and mounts; with --config also the files of the configuration and the key-encryption key. With a path: everything from the login of a workload to the backend.',
    arguments: [['[path]', 'path of a secret; needs --as']],
    options: [
      ['--as <workload>', 'with a path: name of a workload, such as k8s://prod/shop/web'],
      [
        '-c, --config <file>',
        'also check the files that this configuration names, and open its key-encryption key',
      ],
      OUTPUT,
    ],
    examples: [
      'quaymaster doctor --config /etc/quaymaster/config.yaml',
      'quaymaster doctor payments/db --as k8s://prod/shop/web',
    ],
  });
  addConnection(command);
  command.action(async (path: string | undefined, options: DoctorOptions) => {
    const { runVerb } = await import('../cli/run/run-verb.ts');
    const { runDoctor } = await import('../cli/verbs/doctor.ts');
    const { configFindings } = await import('../compose/verbs/check-files.ts');
    const verb = async (context: CliContext): Promise<number> => {
      const local =
        options.config === undefined ? [] : await configFindings(options.config, context.clock);
      return runDoctor(context, { args: path === undefined ? [] : [path], options }, local);
    };
    process.exitCode = await runVerb([], options, () => Promise.resolve(verb));
  });
}

type DoctorOptions = ConnectionOptions & {
  readonly as?: string;
  readonly config?: string;
  readonly output?: 'table' | 'json' | 'yaml';
};

function addDelivery(program: Command): void {
  // src/program/main.ts starts the agent; this entry is for the help only.
  addCommand(program, {
    command: 'agent',
    summary: 'deliver secrets to the application in the same pod',
    details: 'See docs/agent.md for its options.',
    examples: ['quaymaster agent --config agent.yaml --once'],
  });
  add(
    program,
    {
      command: 'csi-provider',
      summary: 'serve the Secrets Store CSI driver of one node; see docs/csi.md',
      options: [
        [
          '-c, --config <file>',
          'configuration file of the provider',
          { fallback: '/etc/quaymaster/csi-provider.yaml' },
        ],
      ],
      examples: ['quaymaster csi-provider --config csi-provider.yaml'],
    },
    async ({ config }: { config: string }) => {
      const { runCsiProvider } = await import('../compose/verbs/csi-provider.ts');
      await runCsiProvider(config);
    },
  );
}

/** The audit commands that read a store or an export. */
function addOfflineAudit(program: Command): void {
  const exporting = addCommand(program, {
    command: 'audit export',
    summary:
      'export the log to a new directory, from a running broker or, with --config, from its store',
    arguments: [['<directory>', 'a directory that does not exist yet']],
    options: [
      ['-c, --config <file>', 'read the store of this configuration file instead'],
      [
        '--format <format>',
        'also write the entries as lines of ocsf, cef or kubernetes (docs/audit.md, "Formats")',
      ],
    ],
    examples: [
      'quaymaster audit export export/',
      'quaymaster audit export export/ --config config.yaml --format ocsf',
    ],
  });
  addConnection(exporting);
  exporting.action(exportAudit);
  const archiving = addCommand(program, AUDIT_ARCHIVE);
  addConnection(archiving);
  archiving.action(archiveAudit);
  add(program, AUDIT_VERIFY, async (directory: string, options: VerifyArguments) => {
    const { runAuditVerify } = await import('../compose/verbs/audit-verify.ts');
    const report = await runAuditVerify(directory, options, progress);
    print(report.text);
    process.exitCode = report.holds ? 0 : EXIT_FAILED;
  });
}

type ArchiveOptions = ConnectionOptions & {
  readonly config?: string;
  readonly to?: string;
  readonly reason: string;
  readonly before?: string;
  readonly keep?: string;
  readonly dryRun?: boolean;
};

async function archiveAudit(options: ArchiveOptions): Promise<void> {
  const { config, to } = options;
  const { runVerb } = await import('../cli/run/run-verb.ts');
  const { beforeOf, runAuditArchive } = await import('../cli/verbs/audit-archive.ts');
  const stopped = async ({ clock, signal }: CliContext): Promise<number> => {
    if (config === undefined) throw new UsageError('--to is for a stopped broker: add --config');
    const { archiveStopped } = await import('../compose/verbs/audit-archive.ts');
    const before = beforeOf(options, clock.now());
    print(await archiveStopped({ ...options, config, before, signal }, progress));
    return 0;
  };
  const isOnline = config === undefined && to === undefined;
  process.exitCode = await runVerb([], options, () =>
    Promise.resolve(isOnline ? runAuditArchive : stopped),
  );
}

type ExportOptions = ConnectionOptions & { readonly config?: string; readonly format?: string };

async function exportAudit(directory: string, options: ExportOptions): Promise<void> {
  const { config, format } = options;
  const how = { progress, format };
  const { runAuditExport } = await import('../compose/verbs/audit-export.ts');
  if (config !== undefined) {
    process.exitCode = showExport(await runAuditExport(directory, { config }, how));
    return;
  }
  const { runVerb } = await import('../cli/run/run-verb.ts');
  const verb = async (context: CliContext): Promise<number> =>
    showExport(await runAuditExport(directory, { broker: await context.broker() }, how));
  process.exitCode = await runVerb([directory], options, () => Promise.resolve(verb));
}

/** @returns the exit code */
function showExport({ text, damage }: { text: string; damage: readonly string[] }): number {
  print(text);
  if (damage.length === 0) return 0;
  console.error(
    'THE LOG IS DAMAGED. The export contains all entries that verify; its manifest lists the rest:',
  );
  for (const each of damage) console.error(printableText(each));
  return EXIT_FAILED;
}

/** Other people may have written parts of the text: a terminal must not interpret them. */
function print(text: string): void {
  writeOut(`${printableText(text)}\n`);
}

/** The reader of a pipe may close it early, as `head` does: the command then ends with another code, and without an error. */
function writeOut(text: string): void {
  const { stdout } = process;
  if (!stdout.listeners('error').includes(unwritten)) stdout.on('error', unwritten);
  stdout.write(text);
}

function unwritten({ code = 'unknown' }: NodeJS.ErrnoException): void {
  process.exitCode = code === 'EPIPE' ? EXIT_BROKEN_PIPE : EXIT_FAILED;
  if (code !== 'EPIPE') console.error(`cannot write to standard output: ${code}`);
}

/** One line on a terminal that the next one overwrites. */
function progress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${done} of ${total} entries${done === total ? '\n' : ''}`);
}

function byteProgress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${done} of ${total} bytes${done === total ? '\n' : ''}`);
}

/** Runs one command. A command that keeps running resolves when it has started. @returns the exit code, if the process must exit at once */
export async function runProgram(): Promise<number | undefined> {
  leaveMemoryOutOfCoreFiles();
  try {
    await createProgram().parseAsync();
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
  console.error(printableText(lines.join('\n')));
  return failure.code === 'ERR_CONFIG_INVALID' ? EXIT_INVALID : EXIT_FAILED;
}
