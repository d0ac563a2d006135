import { action } from '../../cli/run/action.ts';
import { formatOption } from '../../cli/commands/audit.ts';
import {
  REASON,
  YES,
  type ActionRow,
  type CommandRow,
  type CommandTable,
} from '../../cli/run/command.ts';
import type { ConnectionOptions } from '../../cli/connection/connection.ts';
import type { Call, CliContext, Verb } from '../../cli/connection/context.ts';
import { UsageError } from '../../cli/kernel/errors.ts';
import type { VerifyArguments } from '../verbs/audit-verify.ts';
import { systemClock } from '../../process/clock.ts';
import { print, printError, showEntries } from '../output.ts';
import { ARCHIVE } from './options.ts';

const EXIT_FAILED = 1;

/** The commands that read a store or an export. */
export const AUDIT_FILES: CommandTable<ActionRow | CommandRow> = {
  heading: 'Audit log:',
  commands: [
    action(
      {
        command: 'audit export',
        summary:
          'export the log to a new directory, from a running broker or, with --config, from its store',
        arguments: [['<directory>', 'a directory that does not exist yet']],
        options: [
          ['-c, --config <file>', 'read the store of this configuration file instead'],
          formatOption('also write the entries as lines of'),
        ],
        examples: [
          'quaymaster audit export export/',
          'quaymaster audit export export/ --config config.yaml --format ocsf',
        ],
        mayConnect: true,
      },
      exportAudit,
    ),
    {
      command: 'audit archive',
      summary: 'move old entries of the log to an archive, and wait for it',
      details:
        'The broker writes and verifies objects in its archive, signs the truncation with one entry, and then removes the entries from its store. It serves requests meanwhile. Interrupting this command does not stop the run. A run that was interrupted, also by a crash, continues when the command is repeated. With --config the command does this itself, for a stopped broker. See docs/audit.md.',
      options: [
        ['--before <time>', 'entries that were recorded before this time, such as 2026-01-05'],
        ['--keep <duration>', 'entries that are older than this, such as 90d'],
        ['--dry-run', 'only say what would be archived'],
        REASON,
        YES,
        [
          '-c, --config <file>',
          'archive the log of the stopped broker with this configuration file',
        ],
        ['--to <directory>', 'with --config: to this directory instead of the configured archive'],
      ],
      examples: [
        'quaymaster audit archive --keep 90d --dry-run --reason retention',
        'quaymaster audit archive --config config.yaml --to /archive/quaymaster --reason retention',
      ],
      load: loadArchive,
    },
    action<VerifyArguments>(
      {
        command: 'audit verify',
        summary: 'verify an export offline; exit 1 if the verification fails',
        details:
          'Without --checkpoint it can only check that the export is consistent in itself: a log that was cut off passes.',
        arguments: [['<directory>', 'an export']],
        options: [
          ['--checkpoint <file>', 'a checkpoint that was kept outside the store'],
          ['--log-key <text>', "the log's verifier key, from a source other than the export"],
          [
            '--witness-key <text>',
            'the verifier key of a witness, from the witness itself; may be repeated',
            { isRepeated: true },
          ],
          [
            '--require-witnesses <count>',
            'cosignatures that one checkpoint must have; by default, one of each --witness-key',
          ],
          ...ARCHIVE,
        ],
        examples: [
          'quaymaster audit verify export/ --checkpoint checkpoint.txt --archive s3://company-audit/quaymaster',
          'quaymaster audit verify export/ --witness-key witness.example/w1+34680a89+BOBQPspGD6yGqqDG+JfM8Fw6PfTGLCiM5MclZqiJkVif --require-witnesses 1',
        ],
      },
      async ({ args: [directory = ''], options }) => {
        const { runAuditVerify } = await import('../verbs/audit-verify.ts');
        const report = await runAuditVerify(directory, options, showEntries);
        print(report.text);
        process.exitCode = report.holds ? 0 : EXIT_FAILED;
      },
    ),
  ],
};

interface ArchiveOptions {
  readonly config?: string;
  readonly to?: string;
  readonly reason: string;
  readonly before?: string;
  readonly keep?: string;
  readonly dryRun?: boolean;
}

async function loadArchive(): Promise<Verb<ArchiveOptions>> {
  const { beforeOf, runAuditArchive } = await import('../../cli/verbs/audit-archive.ts');
  return async (context, call) => {
    const { clock, signal } = context;
    const { config, to } = call.options;
    if (config === undefined && to === undefined) return runAuditArchive(context, call);
    if (config === undefined) throw new UsageError('--to is for a stopped broker: add --config');
    const { archiveStopped } = await import('../verbs/audit-archive.ts');
    const before = beforeOf(call.options, clock.now());
    print(await archiveStopped({ ...call.options, config, before, signal }, showEntries));
    return 0;
  };
}

type ExportOptions = ConnectionOptions & { readonly config?: string; readonly format?: string };

async function exportAudit({ args, options }: Call<ExportOptions>): Promise<void> {
  const [directory = ''] = args;
  const { config, format } = options;
  const how = { progress: showEntries, format };
  const { runAuditExport } = await import('../verbs/audit-export.ts');
  if (config !== undefined) {
    process.exitCode = showExport(await runAuditExport(directory, { config }, how));
    return;
  }
  const { runVerb } = await import('../../cli/run/run-verb.ts');
  const verb = async (context: CliContext): Promise<number> =>
    showExport(await runAuditExport(directory, { broker: await context.broker() }, how));
  process.exitCode = await runVerb(args, options, systemClock, () => Promise.resolve(verb));
}

/** @returns the exit code */
function showExport({ text, damage }: { text: string; damage: readonly string[] }): number {
  print(text);
  if (damage.length === 0) return 0;
  printError(
    'THE LOG IS DAMAGED. The export contains all entries that verify; its manifest lists the rest:',
  );
  for (const each of damage) printError(each);
  return EXIT_FAILED;
}
