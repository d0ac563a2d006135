import type { CommandTable } from '../run/command.ts';
import { operation } from '../run/operation.ts';

/** Commands for backups of a running broker's store. */
export const BACKUPS: CommandTable = {
  heading: 'Backups:',
  groups: { backup: 'make, list and verify backups of the store' },
  commands: [
    {
      command: 'backup create',
      summary: 'make an encrypted backup of the store at the broker, and wait for it',
      details:
        'The broker writes it to the backup directory of its configuration. It serves requests meanwhile. Interrupting this command does not stop the backup.',
      examples: ['quaymaster backup create'],
      load: async () => (await import('../verbs/backups.ts')).runBackupCreate,
    },
    operation('listBackups', {
      command: 'backup ls',
      summary: 'list the backups in the backup directory of the broker',
      columns: {
        name: 'name',
        created: 'createdAt',
        bytes: 'bytes',
        entries: 'entries',
      },
      examples: ['quaymaster backup ls'],
    }),
  ],
};
