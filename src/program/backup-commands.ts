import { ARCHIVE } from '../cli/commands/audit.ts';
import type { CommandWords } from '../cli/run/main.ts';
import type { ArchiveArguments } from '../compose/installation/archive-arguments.ts';

interface CommandParts {
  readonly add: (words: CommandWords, action: (...args: never[]) => Promise<void>) => void;
  readonly print: (text: string) => void;
  readonly byteProgress: (done: number, total: number) => void;
  /** The option with the broker's configuration file. */
  readonly CONFIG: NonNullable<CommandWords['options']>[number];
}

const NEWER_LOG = [
  '--newer-log <directory>',
  'an export of the log that is newer than the backup: list the lost changes',
] as const;

/** Commands for backups that need no running broker. */
export function addBackups(parts: CommandParts): void {
  addArchives(parts);
  addDatabases(parts);
}

function addArchives({ add, print, byteProgress, CONFIG }: CommandParts): void {
  add(
    {
      command: 'backup keygen',
      summary: 'create a key pair for encrypted backups',
      arguments: [['<file>', 'a new file for the secret key, in the format of age']],
      examples: ['quaymaster backup keygen backup.key'],
    },
    async (file: string) => {
      const { runBackupKeygen } = await import('../compose/verbs/backups.ts');
      print(await runBackupKeygen(file));
    },
  );
  add(
    {
      command: 'backup verify',
      summary: 'verify an archive with its manifest; with --identity also its content',
      arguments: [['<archive>', 'a file that ends with .age, beside its manifest']],
      options: [CONFIG, ['--identity <file>', 'secret key of a recipient']],
      examples: [
        'quaymaster backup verify /backup/quaymaster-20261127T061203123Z.age --config config.yaml --identity backup.key',
      ],
    },
    async (archive: string, options: { config: string; identity?: string }) => {
      const { runBackupVerify } = await import('../compose/verbs/backups.ts');
      print(await runBackupVerify(archive, options, byteProgress));
    },
  );
  add(
    {
      command: 'restore',
      summary:
        'restore the store of a stopped broker from an archive; see docs/upgrade-and-backup.md',
      arguments: [['<archive>', 'a file that ends with .age, beside its manifest']],
      options: [
        CONFIG,
        ['--identity <file>', 'secret key of a recipient', { isRequired: true }],
        ['--replace', 'replace the present store, which is kept beside the restored one'],
        NEWER_LOG,
        ...ARCHIVE,
      ],
      examples: [
        'quaymaster restore /backup/quaymaster-20261127T061203123Z.age --config config.yaml --identity backup.key --replace',
      ],
    },
    async (
      archive: string,
      options: ArchiveArguments & {
        config: string;
        identity: string;
        replace?: boolean;
        newerLog?: string;
      },
    ) => {
      const { runRestore } = await import('../compose/verbs/backups.ts');
      print(await runRestore(archive, options, byteProgress));
    },
  );
}

/** A server makes the backups of PostgreSQL. These commands verify them. */
function addDatabases({ add, print, CONFIG }: CommandParts): void {
  add(
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
    async (file: string, options: { config: string }) => {
      const { runBackupManifest } = await import('../compose/verbs/database-manifest.ts');
      print(await runBackupManifest(file, options));
    },
  );
  add(
    {
      command: 'backup check',
      summary: 'verify a restored PostgreSQL store against its manifest, before the broker starts',
      arguments: [['<manifest>', 'a file that "backup manifest" wrote']],
      options: [CONFIG, NEWER_LOG, ...ARCHIVE],
      examples: [
        'quaymaster backup check /backup/quaymaster.manifest --config config.yaml --newer-log newer/',
      ],
    },
    async (file: string, options: ArchiveArguments & { config: string; newerLog?: string }) => {
      const { runBackupCheck } = await import('../compose/verbs/database-manifest.ts');
      print(await runBackupCheck(file, options));
    },
  );
}
