import type { CommandTable } from '../run/command.ts';
import { operation } from '../run/operation.ts';

export const SESSION: CommandTable = {
  heading: 'Login:',
  groups: {
    profile: 'logins at brokers that this machine keeps',
    'second-factor':
      'security keys for dangerous operations, if the issuer proves no second factor',
  },
  commands: [
    {
      command: 'login',
      summary: 'check a token and save it, with the URL of its broker, as a profile',
      options: [
        ['--name <name>', 'name of the profile; default: the current profile, else "default"'],
        ['--token-stdin', 'read the token from standard input'],
        ['--issuer <name>', 'log in as a person at this issuer of the broker, in the browser'],
        ['--device', 'with --issuer: log in on another device'],
        [
          '--step-up',
          'log in again, or use your security key, for dangerous operations; default issuer: that of the profile',
        ],
        ['--cluster <name>', 'log in as a workload of this cluster, as registered at the broker'],
        [
          '--pod-token-file <file>',
          'with --cluster: the token of the workload; --token-file does the same; without a token, --client-cert proves who it is',
        ],
      ],
      examples: [
        'quaymaster login --url https://broker.example:8200 --issuer corp',
        'quaymaster login --url https://broker.example:8200 --cluster mesh --client-cert svid.pem --client-key svid.key',
      ],
      load: async () => (await import('../verbs/login.ts')).runLogin,
    },
    {
      command: 'logout',
      summary: 'end the session and delete the profile',
      options: [
        ['--revoke', "revoke the operator's token too"],
        ['--everywhere', 'end all sessions of the person'],
      ],
      examples: ['quaymaster logout', 'quaymaster logout --profile prod --revoke'],
      load: async () => (await import('../verbs/login.ts')).runLogout,
    },
    {
      command: 'whoami',
      summary: 'show your identity, your roles and when your token expires',
      examples: ['quaymaster whoami', 'quaymaster whoami --profile prod --output json'],
      load: async () => (await import('../verbs/whoami.ts')).runWhoami,
    },
    {
      command: 'profile ls',
      summary: 'list the profiles, without their tokens',
      examples: ['quaymaster profile ls'],
      isLocal: true,
      load: async () => (await import('../verbs/login.ts')).runProfiles,
    },
    {
      command: 'profile use',
      summary: 'make a profile the one that commands use if they name none',
      arguments: [['<name>', 'name of a profile, as in: quaymaster profile ls']],
      examples: ['quaymaster profile use prod'],
      isLocal: true,
      load: async () => (await import('../verbs/login.ts')).runProfileUse,
    },
    {
      command: 'profile names',
      summary: 'save the names of secrets, mounts and policies that you may list, for completion',
      details:
        'The names are in files of mode 0600 beside the profile, until `logout`, `profile rm` or --forget. Repeat the command to bring them up to date.',
      options: [['--forget', 'delete the saved names']],
      examples: ['quaymaster profile names', 'quaymaster profile names --forget'],
      load: async () => (await import('../verbs/profile-names.ts')).runProfileNames,
    },
    {
      command: 'profile rm',
      summary: 'delete a profile of this machine, without a call to its broker',
      details:
        'Its session or token stays valid until it expires; `logout --profile NAME` ends it first.',
      arguments: [['<name>', 'name of a profile, as in: quaymaster profile ls']],
      examples: ['quaymaster profile rm old'],
      isLocal: true,
      load: async () => (await import('../verbs/login.ts')).runProfileRemove,
    },
    {
      command: 'second-factor add',
      summary: 'register a security key or passkey, in the browser',
      details:
        'The first key needs a recent login, every further one a key that you have. Register two: if you lose the only one, an admin must remove it.',
      arguments: [['<label>', 'a name for the key, such as laptop']],
      options: [['--device', 'the browser is on another device']],
      examples: [
        'quaymaster second-factor add laptop',
        'quaymaster second-factor add yubikey --device',
      ],
      load: async () => (await import('../connection/security-key.ts')).runAddKey,
    },
    operation('listSecurityKeys', {
      command: 'second-factor ls',
      summary: 'list your security keys',
      options: [['--person <person>', 'oidc:ISSUER/SUBJECT: those of another person, for admins']],
      columns: {
        id: 'id',
        label: 'label',
        registered: 'createdAt',
        used: ({ usedAt }) => usedAt ?? '',
      },
      examples: [
        'quaymaster second-factor ls',
        'quaymaster second-factor ls --person oidc:corp/alice',
      ],
    }),
    operation('removeSecurityKey', {
      command: 'second-factor rm',
      summary: 'remove a security key; as an admin also that of another person',
      arguments: [['<id>', 'id of the key, as `second-factor ls` shows it']],
      options: [
        ['--reason <text>', 'needed for the key of another person; recorded in the audit log'],
      ],
      body: ['reason'],
      text: (_body, [id = '']) => `removed ${id}; its person cannot prove it any more`,
      examples: [
        'quaymaster second-factor rm key_01H8',
        'quaymaster second-factor rm key_01H8 --reason lost',
      ],
    }),
  ],
};
