import { action } from '../../cli/run/action.ts';
import type { ActionRow, CommandTable, OptionRow } from '../../cli/run/command.ts';
import type { ArchiveArguments } from '../log/archive-storage.ts';
import { print, showBytes } from '../output.ts';
import { ARCHIVE, CONFIG } from './options.ts';

const NEWER_LOG: OptionRow = [
  '--newer-log <directory>',
  'an export of the log that is newer than the backup: list the lost changes',
];

/** The commands for backups that need no running broker. `manifest` and `check` verify backups by the tools of PostgreSQL. */
export const BACKUP_FILES: CommandTable<ActionRow> = {
  heading: 'Backups:',
  commands: [
    action(
      {
        command: 'backup keygen',
        summary: 'create a key pair for encrypted backups',
        arguments: [['<file>', 'a new file for the secret key, in the format of age']],
        examples: ['quaymaster backup keygen backup.key'],
      },
      async ({ args: [file = ''] }) => {
        const { runBackupKeygen } = await import('../verbs/backups.ts');
        print(await runBackupKeygen(file));
      },
    ),
    action<{ config: string; identity?: string }>(
      {
        command: 'backup verify',
        summary: 'verify an archive with its manifest; with --identity also its content',
        arguments: [['<archive>', 'a file that ends with .age, beside its manifest']],
        options: [CONFIG, ['--identity <file>', 'secret key of a recipient']],
        examples: [
          'quaymaster backup verify /backup/quaymaster-20261127T061203123Z.age --config config.yaml --identity backup.key',
        ],
      },
      async ({ args: [archive = ''], options }) => {
        const { runBackupVerify } = await import('../verbs/backups.ts');
        print(await runBackupVerify(archive, options, showBytes));
      },
    ),
    action<{ config: string }>(
      {
        command: 'backup manifest',
        summary:
          'verify a PostgreSQL store and sign what it contains, before its dump or base backup',
        details:
          'Run it right before pg_dump or pg_basebackup, while the broker serves requests. "backup check" compares a restored database with the manifest.',
        arguments: [['<file>', 'a new file for the manifest']],
        options: [CONFIG],
        examples: ['quaymaster backup manifest /backup/quaymaster.manifest --config config.yaml'],
      },
      async ({ args: [file = ''], options }) => {
        const { runBackupManifest } = await import('../verbs/database-manifest.ts');
        print(await runBackupManifest(file, options));
      },
    ),
    action<ArchiveArguments & { config: string; newerLog?: string }>(
      {
        command: 'backup check',
        summary:
          'verify a restored PostgreSQL store against its manifest, before the broker starts',
        arguments: [['<manifest>', 'a file that "backup manifest" wrote']],
        options: [CONFIG, NEWER_LOG, ...ARCHIVE],
        examples: [
          'quaymaster backup check /backup/quaymaster.manifest --config config.yaml --newer-log newer/',
        ],
      },
      async ({ args: [file = ''], options }) => {
        const { runBackupCheck } = await import('../verbs/database-manifest.ts');
        print(await runBackupCheck(file, options));
      },
    ),
  ],
};

type RestoreOptions = ArchiveArguments & {
  readonly config: string;
  readonly identity: string;
  readonly replace?: boolean;
  readonly newerLog?: string;
};

export const RESTORE: CommandTable<ActionRow> = {
  heading: 'Broker:',
  commands: [
    action<RestoreOptions>(
      {
        command: 'restore',
        summary:
          'restore the store of a stopped broker from an archive; see docs/upgrade-and-backup.md',
        details:
          'A PostgreSQL store is restored into an empty database, which the configuration names.',
        arguments: [['<archive>', 'a file that ends with .age, beside its manifest']],
        options: [
          CONFIG,
          ['--identity <file>', 'secret key of a recipient', { isRequired: true }],
          ['--replace', 'SQLite: replace the present store, which is kept beside the restored one'],
          NEWER_LOG,
          ...ARCHIVE,
        ],
        examples: [
          'quaymaster restore /backup/quaymaster-20261127T061203123Z.age --config config.yaml --identity backup.key --replace',
        ],
      },
      async ({ args: [archive = ''], options }) => {
        const { runRestore } = await import('../verbs/backups.ts');
        print(await runRestore(archive, options, showBytes));
      },
    ),
  ],
};
