import { REASON, YES, type CommandTable } from '../run/command.ts';

/** Commands for the root key of the broker's store. */
export const KEYS: CommandTable = {
  heading: 'Keys:',
  groups: { keys: 'show and rotate the root key, and follow a rotation' },
  commands: [
    {
      command: 'keys status',
      summary: 'show the root keys, the keys that wrap them, and the rotation in progress',
      examples: ['quaymaster keys status'],
      load: async () => (await import('../verbs/keys.ts')).runKeysStatus,
    },
    {
      command: 'keys rotate',
      summary: 'replace the root key, rewrap everything under it, and wait until that finishes',
      details:
        'The broker serves requests meanwhile. Interrupting this command does not stop the rotation. A rotation in progress is not started twice.',
      options: [
        REASON,
        [
          '--compromised',
          'others know the root key: encrypt every value again under a new data key, and list what a leaked backup still opens',
        ],
        YES,
      ],
      examples: [
        'quaymaster keys rotate --reason yearly --yes',
        'quaymaster keys rotate --compromised --reason INC-10',
      ],
      load: async () => (await import('../verbs/keys.ts')).runKeysRotate,
    },
    {
      command: 'keys retire-kek',
      summary: 'remove the wrappings of a key-encryption key that the configuration no longer has',
      details:
        'Every root key must open with a key of the configuration: the broker tries each of them now.',
      arguments: [['<kek>', 'its id, as `keys status` shows it']],
      options: [REASON, YES],
      examples: [
        'quaymaster keys retire-kek vault-transit:prod/transit/quaymaster --reason INC-10',
      ],
      load: async () => (await import('../verbs/keys.ts')).runRetireKek,
    },
    {
      command: 'keys rewrap',
      summary: 'wait until nothing needs an older root key, and show the progress',
      details: 'The broker rewraps by itself after a rotation, also after a restart.',
      examples: ['quaymaster keys rewrap'],
      load: async () => (await import('../verbs/keys.ts')).runKeysRewrap,
    },
  ],
};
