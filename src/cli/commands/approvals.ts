import { approvalText } from '../verbs/approval-text.ts';
import { REASON, YES, type CommandTable } from '../run/command.ts';
import { operation } from '../run/operation.ts';

const load = () => import('../verbs/approvals.ts');
const ID = [['<id>', 'id of the request, as `approval ls` shows it']] as const;
const WHY = ['--reason <text>', 'reason; recorded in the audit log'] as const;

/** Requests that another admin must approve. */
export const APPROVALS: CommandTable = {
  heading: 'Approvals:',
  groups: {
    approval: 'decide on requests of other operators',
    'break-glass': 'get more rights in an emergency, for a time',
  },
  commands: [
    operation('listApprovals', {
      command: 'approval ls',
      summary: 'list open requests and elevations in force',
      columns: {
        id: 'id',
        state: 'state',
        requester: 'requester',
        wanted: approvalText,
        approved: ({ approvedBy }) => approvedBy ?? '',
        expires: 'endsAt',
      },
      examples: ['quaymaster approval ls'],
    }),
    {
      command: 'approval show',
      summary: 'show a request with the whole change that it asks for',
      arguments: ID,
      examples: ['quaymaster approval show apr_01H8'],
      load: async () => (await load()).runApprovalShow,
    },
    {
      command: 'approval approve',
      summary: 'show a request of another operator, ask, and approve it',
      details:
        'An elevation begins at once. A change is made when its requester repeats the command within an hour.',
      arguments: ID,
      options: [WHY, YES],
      examples: ['quaymaster approval approve apr_01H8 --reason CHG-12'],
      load: async () => (await load()).runApprove,
    },
    operation('denyRequest', {
      command: 'approval deny',
      summary: 'deny a request of another operator, or end an elevation',
      arguments: ID,
      options: [WHY],
      body: ['reason'],
      text: (_body, [id = '']) => `denied ${id}`,
      examples: ['quaymaster approval deny apr_01H8 --reason unknown'],
    }),
    operation('withdrawRequest', {
      command: 'approval withdraw',
      summary: 'withdraw your own request, or end your own elevation',
      arguments: ID,
      options: [WHY],
      text: (_body, [id = '']) => `withdrew ${id}`,
      examples: ['quaymaster approval withdraw apr_01H8'],
    }),
    {
      command: 'approval confirm',
      summary: 'show what another operator wrote under an elevation, ask, and keep it',
      details:
        'Without it, the end of the elevation rolls back what the documents give. You need your own right to write each of them.',
      arguments: ID,
      options: [WHY, YES],
      examples: ['quaymaster approval confirm apr_01H8 --reason INC-7'],
      load: async () => (await load()).runConfirm,
    },
    {
      command: 'approval require',
      summary: 'say which grants need the approval of another admin',
      details:
        'The words replace the ones in force; `admin` is always one of them. `on` is admin alone, `off` is none. The first rule needs a second admin. Demanding less needs an approval itself: repeat the command after it.',
      arguments: [['<grant...>', 'roles, a role as ROLE:unscoped, cluster, on or off']],
      options: [YES],
      examples: [
        'quaymaster approval require on',
        'quaymaster approval require admin secret-reader secret-editor:unscoped cluster',
      ],
      load: async () => (await load()).runRequire,
    },
    {
      command: 'break-glass request',
      summary: 'request a role for a time; another admin must approve it within an hour',
      details:
        'The role is for the token or login of this command only, and ends by itself. It never changes operators, role bindings, tokens, clusters, mounts, approvals or evidence. Its end rolls back what you wrote under it, unless another operator confirms it.',
      options: [
        ['--role <role>', 'the role, such as secret-reader', { isRequired: true }],
        ['--scope <prefix>', 'prefix of paths; default: everything', { isRepeated: true }],
        ['--for <duration>', 'how long, at most 4h', { fallback: '1h' }],
        REASON,
        YES,
      ],
      examples: [
        'quaymaster break-glass request --role secret-reader --scope payments --for 30m --reason INC-7',
      ],
      load: async () => (await load()).runBreakGlass,
    },
  ],
};
