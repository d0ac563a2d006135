import { ALERTS } from './alerts.ts';
import {
  COMMENT,
  REASON,
  WORKLOAD,
  YES,
  type CommandTable,
  type OptionRow,
} from '../run/command.ts';
import { operation } from '../run/operation.ts';

const SESSIONS: readonly OptionRow[] = [
  ['--workload <workload>', `sessions of this workload, ${WORKLOAD}`],
  ['--cluster <name>', 'sessions of this cluster; with --pod, of one pod in it'],
  ['--pod <uid>', 'sessions of the pod with this UID'],
  ['--source <cidr>', 'sessions that logged in from an address in this block'],
];

/** Commands that cut off a compromised workload, pod or operator. */
export const INCIDENTS: CommandTable = {
  heading: 'Answering a compromise:',
  groups: {
    session: 'list and end sessions of workloads',
    alert: 'runtime alerts, and the responses to them',
    incident: 'cut off what is compromised and rotate what it read',
    quarantine: 'refuse every request of workloads, pods and operators',
  },
  commands: [
    ...ALERTS,
    operation('listSessions', {
      command: 'session ls',
      summary: 'list open sessions',
      options: SESSIONS,
      columns: {
        id: 'id',
        workload: 'workload',
        pod: ({ pod }) => pod?.uid,
        source: 'source',
        created: 'createdAt',
        expires: 'endsAt',
      },
      examples: ['quaymaster session ls', 'quaymaster session ls --source 10.0.0.0/8'],
    }),
    {
      command: 'session end',
      summary: 'end sessions and their leases, selected in one way; exit 4 if none matches',
      details:
        'The workloads can log in again: `quaymaster quarantine add` keeps a workload or a pod out.',
      arguments: [['[id]', 'id of the session']],
      options: [...SESSIONS, COMMENT, YES],
      examples: [
        'quaymaster session end ses_01H8',
        'quaymaster session end --workload k8s://prod/shop/web --comment INC-7',
      ],
      load: async () => (await import('../verbs/sessions.ts')).runSessionEnd,
    },
    {
      command: 'quarantine add',
      summary: 'refuse every request of a workload, a pod or an operator, and end what it holds',
      details:
        'The same scope again returns the quarantine in force. It extends it if the new end is later, and never shortens it.',
      options: [
        ['--workload <workload>', WORKLOAD],
        ['--pod <uid>', 'with --cluster: the pod with this UID'],
        ['--cluster <name>', 'with --pod: the cluster that the pod runs in'],
        ['--operator <name>', 'an operator, with all of its tokens'],
        REASON,
        ['--for <duration>', 'how long, such as 4h; default: until it is lifted'],
        YES,
      ],
      examples: [
        'quaymaster quarantine add --workload k8s://prod/shop/web --reason INC-7 --for 4h',
        'quaymaster quarantine add --operator alice --reason INC-7',
      ],
      load: async () => (await import('../verbs/quarantines.ts')).runQuarantineAdd,
    },
    operation('listQuarantines', {
      command: 'quarantine ls',
      summary: 'list the quarantines in force',
      details:
        'A suspended scope keeps what it has and gets nothing new, until an operator decides on its alert.',
      columns: {
        id: 'id',
        kind: 'kind',
        subject: ({ subject, pod }) =>
          pod === undefined ? subject : `${pod.namespace}/${pod.name} (${subject})`,
        state: ({ suspended }) => (suspended === true ? 'suspended' : 'in force'),
        until: ({ until, suspended }) =>
          until ?? (suspended === true ? 'until alert approve or dismiss' : 'until it is lifted'),
        by: 'createdBy',
        reason: 'reason',
      },
      examples: ['quaymaster quarantine ls'],
    }),
    operation('liftQuarantine', {
      command: 'quarantine lift',
      summary: 'let a quarantined workload, pod or operator log in again',
      details: 'Revoked leases and credentials stay revoked.',
      arguments: [['<id>', 'id of the quarantine']],
      options: [REASON],
      text: (_body, [id = '']) =>
        `lifted quarantine ${id}; revoked leases and credentials stay revoked`,
      examples: ['quaymaster quarantine lift qua_01H8 --reason INC-7-closed'],
    }),
    {
      command: 'seal',
      summary: 'make every replica erase its keys and refuse every request until it is restarted',
      options: [REASON, YES],
      examples: ['quaymaster seal --reason INC-7'],
      load: async () => (await import('../verbs/seal.ts')).runSeal,
    },
  ],
};
