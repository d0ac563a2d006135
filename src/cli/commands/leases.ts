import type { components } from '../../client/index.ts';
import {
  COMMENT,
  WORKLOAD,
  YES,
  type ArgumentRow,
  type Cells,
  type CommandTable,
  type OptionRow,
} from '../run/command.ts';
import { operation } from '../run/operation.ts';

const ID: ArgumentRow = ['<id>', 'id of the lease'];

const SELECTION: readonly OptionRow[] = [
  ['--path <path>', 'leases of this path and everything below it'],
  ['--workload <workload>', `leases of this workload, ${WORKLOAD}`],
  ['--pod <uid>', 'leases of the pod with this UID'],
  ['--mount <name>', 'leases of secrets of this mount'],
];

const LEASE: Cells<components['schemas']['Lease']> = {
  id: 'id',
  workload: 'workload',
  pod: 'podUid',
  path: 'path',
  version: 'version',
  kind: 'kind',
  state: 'state',
  cause: 'cause',
  issued: 'issuedAt',
  expires: 'endsAt',
  'at the latest': 'maxEndsAt',
};

export const LEASES: CommandTable = {
  heading: 'Leases:',
  groups: {
    lease: 'list and revoke leases: who holds which secret',
    revocation: 'credentials whose revocation is pending or failed',
  },
  commands: [
    operation('listLeases', {
      command: 'lease ls',
      summary: 'list leases',
      options: [
        ...SELECTION,
        ['--state <state>', 'only leases in this state', { choices: ['live', 'ended'] }],
      ],
      columns: {
        id: 'id',
        workload: 'workload',
        pod: 'podUid',
        path: 'path',
        version: 'version',
        state: ({ cause, state }) => cause ?? state,
        expires: 'endsAt',
      },
      examples: [
        'quaymaster lease ls --path payments --state live',
        'quaymaster lease ls --workload k8s://prod/shop/web',
      ],
    }),
    operation('readLease', {
      command: 'lease get',
      summary: 'show one lease',
      arguments: [ID],
      fields: LEASE,
      examples: ['quaymaster lease get lea_01H8'],
    }),
    {
      command: 'lease revoke',
      summary: 'revoke leases and their credentials, selected in one way; exit 4 if none matches',
      details:
        'A revoked workload can log in again and get new leases: add --quarantine 1h to keep it out. `revoked` counts the leases without a credential at a backend. `revoking` counts the credentials that a backend still has to revoke; they may work until then, and `quaymaster revocation ls` lists them.',
      arguments: [['[id]', 'id of the lease']],
      options: [
        ...SELECTION,
        COMMENT,
        [
          '--quarantine <duration>',
          'with ID, --workload or --pod: also quarantine the holder for this long, such as 1h',
        ],
        YES,
      ],
      examples: [
        'quaymaster lease revoke lea_01H8',
        'quaymaster lease revoke --workload k8s://prod/shop/web --quarantine 1h --comment INC-7',
      ],
      load: async () => (await import('../verbs/leases.ts')).runLeaseRevoke,
    },
    operation('renewLease', {
      command: 'lease renew',
      summary: 'extend one of your own leases (workloads only)',
      arguments: [ID],
      options: [['--ttl <duration>', 'new lifetime from now, such as 15m']],
      body: ['ttl'],
      fields: LEASE,
      examples: ['quaymaster lease renew lea_01H8 --ttl 15m'],
    }),
    operation('releaseLease', {
      command: 'lease release',
      summary: 'end one of your own leases (workloads only)',
      arguments: [ID],
      text: (_body, [id = '']) => `released lease ${id}`,
      examples: ['quaymaster lease release lea_01H8'],
    }),
    {
      command: 'revocation ls',
      summary: 'list credentials whose revocation is pending or failed',
      options: [
        [
          '--state <state>',
          'only credentials in this state',
          { choices: ['revoking', 'irrevocable', 'expiring'] },
        ],
      ],
      examples: ['quaymaster revocation ls', 'quaymaster revocation ls --state irrevocable'],
      load: async () => (await import('../verbs/leases.ts')).runRevocationList,
    },
    operation('retryRevocation', {
      command: 'revocation retry',
      summary: 'retry the revocation of one credential now',
      arguments: [['<credential>', 'id of the credential']],
      text: ({ credential }) => `retrying the revocation of ${credential} now`,
      examples: ['quaymaster revocation retry cred_01H8'],
    }),
  ],
};
