import { YES, type ArgumentRow, type CommandTable, type OptionRow } from '../run/command.ts';
import { operation } from '../run/operation.ts';

const PATH: ArgumentRow = ['<path>', 'path of the secret'];
const REVEAL: OptionRow = ['--reveal', 'show the values, which are masked otherwise'];
const IF_VERSION: OptionRow = ['--if-version <version>', 'only if this is the current version'];
/** Options of a version's note, which everyone who may list the secret sees. */
const NOTE: readonly OptionRow[] = [
  ['--comment <text>', 'why; shown with the versions, so never a secret'],
  [
    '--label <key=value>',
    'a label of the version, never a secret; may be repeated',
    { isRepeated: true },
  ],
];

/** Values come from files and standard input; an argument would be seen by every user of the machine. */
export const VALUES: ArgumentRow = [
  '[key=@file...]',
  'a key and the file with its value; KEY=- to type or pipe the value',
];
export const FROM_JSON: OptionRow = [
  '--from-json <file>',
  'read all keys from a JSON object; - for standard input',
];

const FROM_ENV: OptionRow = [
  '--from-env <file>',
  'read all keys from a .env file; - for standard input',
];

export const SECRETS: CommandTable = {
  heading: 'Secrets:',
  commands: [
    {
      command: 'get',
      summary: 'read one secret, or several in one call',
      details:
        'With --output dotenv it prints one NAME=value line for each key, as a shell and the libraries of .env files read them.',
      arguments: [['<path...>', 'path of the secret']],
      options: [
        ['--key <key>', 'print only this value, without a frame, for scripts; needs --reveal'],
        REVEAL,
        ['--version <version>', 'this version instead of the current one'],
        ['--reason <text>', 'why, for the audit log; only as an operator, never a secret'],
      ],
      examples: [
        'quaymaster get payments/db --reason INC-7',
        'quaymaster get payments/db payments/mail --reveal --output dotenv > .env',
      ],
      formats: ['dotenv'],
      load: async () => (await import('../verbs/get.ts')).runGet,
    },
    {
      command: 'put',
      summary: 'write a new version of a secret, with exactly these keys',
      details:
        'The new version replaces the whole secret. If it would drop keys of the current version, the command names them and stops, unless you pass --replace; `patch` keeps them.',
      arguments: [PATH, VALUES],
      options: [
        FROM_JSON,
        FROM_ENV,
        ['--create', 'only if the secret does not exist yet'],
        ['--replace', 'write it even if it drops keys of the current version'],
        IF_VERSION,
        ...NOTE,
      ],
      examples: [
        'quaymaster put payments/db user=@user.txt password=-',
        'quaymaster put payments/db --from-env .env --comment OPS-7 --label team=pay',
      ],
      load: async () => (await import('../verbs/put.ts')).runPut,
    },
    {
      command: 'patch',
      summary: 'write a new version of a secret with some keys changed, and keep all others',
      details: 'You need the right to write, not to read.',
      arguments: [PATH, VALUES],
      options: [
        FROM_JSON,
        FROM_ENV,
        [
          '--remove <key>',
          'remove this key, which must exist; may be repeated',
          { isRepeated: true },
        ],
        IF_VERSION,
        ...NOTE,
      ],
      examples: [
        'quaymaster patch payments/db password=-',
        'quaymaster patch payments/db host=@host.txt --remove port --if-version 3',
      ],
      load: async () => (await import('../verbs/put.ts')).runPatch,
    },
    {
      command: 'edit',
      summary: 'change a secret in your editor, and show which keys change before it is written',
      details:
        'The values are in a file of mode 0600 in memory (/dev/shm or XDG_RUNTIME_DIR). It is removed when the editor or this command ends, also if it is killed. It needs the right to read and to write. The editor is VISUAL, EDITOR or vi; switch off its own history of texts. A path without a secret gets a new one.',
      arguments: [PATH],
      options: [...NOTE, YES],
      examples: ['quaymaster edit payments/db', 'quaymaster edit payments/db --comment OPS-7'],
      load: async () => (await import('../verbs/edit.ts')).runEdit,
    },
    {
      command: 'generate',
      summary: 'write random values under keys of a secret, without showing them',
      details:
        'It creates the secret, or changes these keys and keeps all others. Each value has at least 112 bits of randomness. To replace values again and again, let the broker rotate them: see docs/rotation.md.',
      arguments: [PATH, ['<key...>', 'a key that gets a random value']],
      options: [
        ['--length <count>', 'characters of each value; default: 32'],
        ['--alphabet <characters>', 'characters to choose from; default: letters and digits'],
        ...NOTE,
      ],
      examples: [
        'quaymaster generate payments/mail password',
        'quaymaster generate payments/mail token key --length 64',
      ],
      load: async () => (await import('../verbs/copies.ts')).runGenerate,
    },
    {
      command: 'cp',
      summary: 'copy all keys of a secret to another path, without showing them',
      arguments: [
        ['<from>', 'path of the secret'],
        ['<to>', 'path of the copy'],
      ],
      options: [
        ['--version <version>', 'copy this version instead of the current one'],
        ['--replace', 'write a new version if a secret is there already'],
        ...NOTE,
      ],
      examples: [
        'quaymaster cp payments/db staging/db',
        'quaymaster cp payments/db payments/db --version 3 --replace',
      ],
      load: async () => (await import('../verbs/copies.ts')).runCopy,
    },
    {
      command: 'diff',
      summary: 'show which keys differ between two versions or two secrets; exit 2 if one does',
      details: 'Values are compared and never shown. It needs the right to read both.',
      arguments: [PATH, ['[other]', 'path of another secret; default: two versions of the first']],
      options: [
        [
          '--from <version>',
          'version of <path>; default: the one before, or with [other] the current one',
        ],
        ['--to <version>', 'version of [other] or <path>; default: the current one'],
      ],
      examples: ['quaymaster diff payments/db --from 2', 'quaymaster diff payments/db staging/db'],
      load: async () => (await import('../verbs/copies.ts')).runDiff,
    },
    {
      command: 'rm',
      summary: 'delete a secret; it can be restored until its undelete window ends',
      details:
        'The secret is absent at once for all readers. `undelete` restores it during the undelete window of its mount (`undeleteWindow`, 7 days by default). At the end of the window its versions are destroyed. `destroy` destroys them at once.',
      arguments: [PATH],
      options: [IF_VERSION, YES],
      examples: ['quaymaster rm payments/old'],
      load: async () => (await import('../verbs/deletion.ts')).runRm,
    },
    {
      command: 'undelete',
      summary: 'restore a deleted secret',
      details:
        'All deleted versions can be read again. It never replaces a current version, and changes nothing if the secret is not deleted.',
      arguments: [PATH],
      options: [
        ['--version <version>', 'the version that becomes current; default: the one that was'],
      ],
      examples: ['quaymaster undelete payments/old', 'quaymaster undelete payments/db --version 2'],
      load: async () => (await import('../verbs/deletion.ts')).runUndelete,
    },
    {
      command: 'destroy',
      summary: 'permanently destroy a secret or some of its versions, deleted ones included',
      arguments: [PATH],
      options: [['--versions <list>', 'only these versions, separated by commas'], IF_VERSION, YES],
      examples: [
        'quaymaster destroy payments/old',
        'quaymaster destroy payments/db --versions 1,2 --yes',
      ],
      load: async () => (await import('../verbs/deletion.ts')).runDestroy,
    },
    operation('listSecretVersions', {
      command: 'versions',
      summary:
        'list the versions of a secret: state, author, how it was written, comment and labels',
      details:
        'It shows who wrote each version, and when. To see who received a secret: `audit who-received`.',
      arguments: [PATH],
      columns: {
        version: 'version',
        state: 'state',
        created: 'createdAt',
        by: 'createdBy',
        how: 'method',
        comment: 'comment',
        labels: ({ labels = {} }) =>
          Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(' '),
        destroyed: ({ destroyedAt, destroyAt }) => destroyedAt ?? destroyAt,
      },
      examples: ['quaymaster versions payments/db'],
    }),
    {
      command: 'describe',
      summary: 'show the custom metadata of a secret, or change it',
      details:
        'Custom metadata are texts beside a secret, such as its owner. They are not encrypted, and everyone who may list or read the secret sees them, so never write a secret there. They belong to no version, and may be written before the first one.',
      arguments: [
        PATH,
        ['[key=value...]', 'a key and its text; without any, the command shows them'],
      ],
      options: [
        ['--remove <key>', 'remove this key; may be repeated', { isRepeated: true }],
        ['--replace', 'remove all keys that are not given'],
        [
          '--if-metadata <version>',
          'only if this is the version of the metadata; 0: if there is none',
        ],
      ],
      examples: [
        'quaymaster describe payments/db',
        'quaymaster describe payments/db owner=pay --remove ticket --if-metadata 3',
      ],
      load: async () => (await import('../verbs/describe.ts')).runDescribe,
    },
    {
      command: 'ls',
      summary: 'list the secrets below a prefix, without their values',
      details:
        'With --deleted: the deleted secrets that you may restore with `undelete`, the version that becomes current then, and the time that is left.',
      arguments: [['[prefix]', 'a path; default: everything that you may list']],
      options: [['--deleted', 'list deleted secrets that can still be restored']],
      examples: ['quaymaster ls', 'quaymaster ls payments --deleted'],
      load: async () => (await import('../verbs/ls.ts')).runLs,
    },
  ],
};

export const FOR_WORKLOADS: CommandTable = {
  heading: 'For workloads:',
  commands: [
    {
      command: 'credential',
      summary: 'issue a dynamic credential (workloads only)',
      arguments: [PATH],
      options: [
        ['--ttl <duration>', 'lifetime, such as 15m'],
        ['--idempotency-key <key>', 'safe to repeat: the same key returns the same credential'],
        REVEAL,
      ],
      examples: ['quaymaster credential payments/reports --ttl 15m --reveal'],
      load: async () => (await import('../verbs/workload.ts')).runCredential,
    },
    {
      command: 'ack',
      summary: 'report that a version is in use, or cannot be used (workloads only)',
      arguments: [PATH],
      options: [
        ['--version <version>', 'the version that was read', { isRequired: true }],
        ['--failed', 'the version cannot be used'],
        ['--reason <word>', 'with --failed: why, in one word; recorded in the audit log'],
      ],
      examples: [
        'quaymaster ack payments/db --version 3',
        'quaymaster ack payments/db --version 3 --failed --reason login_refused',
      ],
      load: async () => (await import('../verbs/workload.ts')).runAck,
    },
    {
      command: 'events',
      summary: 'follow changes of the secrets that the workload holds (workloads only)',
      options: [['--last-event-id <id>', 'start after this event']],
      examples: ['quaymaster events --output json'],
      load: async () => (await import('../verbs/workload.ts')).runEvents,
    },
  ],
};
