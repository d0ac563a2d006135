import { REASON, WORKLOAD, YES, type CommandRow, type OptionRow } from '../run/command.ts';
import { aboutText } from '../verbs/incident-text.ts';
import { operation } from '../run/operation.ts';

const load = () => import('../verbs/incidents.ts');
const SOME = [['[id...]', 'ids of alerts, as `alert ls` shows them']] as const;
const ALL: OptionRow = ['--all', 'all alerts that wait'];
const OF_SOURCE: OptionRow = ['--source <name>', 'with --all: alerts of this source'];
const WHY: OptionRow = ['--reason <text>', 'reason; recorded in the audit log'];

/** Alerts of runtime security and the incidents that follow. */
export const ALERTS: readonly CommandRow[] = [
  operation('listAlerts', {
    command: 'alert ls',
    summary: 'list runtime alerts and what the broker did, newest first',
    options: [
      [
        '--state <state>',
        'only alerts in this state',
        {
          choices: ['kept', 'unmatched', 'pending', 'responding', 'contained', 'done', 'dismissed'],
        },
      ],
    ],
    columns: {
      id: 'id',
      received: 'receivedAt',
      source: 'source',
      rule: 'rule',
      priority: 'priority',
      alerts: 'count',
      subject: aboutText,
      action: ({ response }) => response.action,
      state: ({ state, held, unmatched }) =>
        [state, held ?? unmatched].filter((word) => word !== undefined).join(': '),
    },
    examples: ['quaymaster alert ls', 'quaymaster alert ls --state pending'],
  }),
  operation('listAlertSources', {
    command: 'alert sources',
    summary:
      'list the configured sources of alerts: how many pods each cut off, how many it may, and when it last sent an alert',
    columns: {
      name: 'name',
      format: 'format',
      clusters: ({ clusters }) => clusters.join(', '),
      'cut off': ({ limits }) =>
        limits
          .map(({ cluster, cutOff, limit }) => `${cutOff} of ${limit} pods (${cluster})`)
          .join(', '),
      last: ({ lastAlertAt }) => lastAlertAt ?? 'never since this replica started',
    },
    examples: ['quaymaster alert sources'],
  }),
  {
    command: 'alert approve',
    summary: 'begin the response to alerts that exceeded the limit of their source',
    details:
      'With several ids or --all, the command shows what waits by source and rule, and how many scopes are suspended, before it asks.',
    arguments: SOME,
    options: [ALL, OF_SOURCE, WHY, YES],
    examples: [
      'quaymaster alert approve alr_01H8 alr_01H9 --reason INC-7',
      'quaymaster alert approve --all --source falco --reason INC-7',
    ],
    load: async () => (await import('../verbs/alerts.ts')).runApprove,
  },
  {
    command: 'alert dismiss',
    summary: 'end the waiting of alerts without a response',
    details:
      'Their suspensions end. With several ids or --all, the command shows what waits by source and rule before it asks.',
    arguments: SOME,
    options: [ALL, OF_SOURCE, WHY, YES],
    examples: [
      'quaymaster alert dismiss alr_01H8 --reason false-alarm',
      'quaymaster alert dismiss --all --source falco --reason false-alarm',
    ],
    load: async () => (await import('../verbs/alerts.ts')).runDismiss,
  },
  {
    command: 'incident open',
    summary:
      'cut off a pod, a workload, an image, a node or an operator, rotate what it read, and show who else read that',
    details:
      'One commit puts the scope into quarantine. Then its sessions and leases end, and each secret that it read rotates without waiting for its holders. The same command continues an incident whose quarantine stands.',
    options: [
      [
        '--pod <pod>',
        'with --cluster: the UID of a pod, or <namespace>/<name> of one that runs or ended lately',
      ],
      ['--workload <workload>', WORKLOAD],
      [
        '--image <digest>',
        'with --cluster: all pods with sessions that run this image, and the reads of those that are gone',
      ],
      ['--node <name>', 'with --cluster: all pods with sessions on this node'],
      ['--operator <name>', 'an operator, with all of its tokens'],
      ['--token <id>', 'the operator whose token has this id; the token may have ended'],
      ['--cluster <name>', 'the cluster of the pod, the image or the node'],
      [
        '--since <time>',
        'show reads from this time on: a time, a day, or a duration such as 2h; the response covers all reads',
        { fallback: '1d' },
      ],
      REASON,
      ['--no-rotate', 'do not rotate what was read'],
      [
        '--dry-run',
        'show what was read, who else reads it and what is still valid; change nothing',
      ],
      YES,
    ],
    examples: [
      'quaymaster incident open --cluster prod --pod shop/web-0 --since 2h --reason INC-7 --dry-run',
      'quaymaster incident open --workload k8s://prod/shop/web --since 1d --reason INC-7',
    ],
    load: async () => (await load()).runIncidentOpen,
  },
  {
    command: 'incident ls',
    summary: 'list incidents and alerts with a response, newest first',
    examples: ['quaymaster incident ls'],
    load: async () => (await load()).runIncidentLs,
  },
  {
    command: 'incident show',
    summary:
      'show an incident or an alert: what was read, what was done, and the timeline with entries to prove',
    arguments: [['<id>', 'id of the incident or the alert']],
    options: [['--all', 'also secrets that were read only before the time of --since']],
    examples: ['quaymaster incident show inc_01H8', 'quaymaster incident show alr_01H8'],
    load: async () => (await load()).runIncidentShow,
  },
  {
    command: 'incident report',
    summary:
      'write an incident as one HTML page for the file: printable, without scripts, with the checkpoint',
    arguments: [['<id>', 'id of the incident or the alert']],
    options: [
      ['--html <file>', 'a file that does not exist yet; it gets mode 0600', { isRequired: true }],
    ],
    examples: ['quaymaster incident report inc_01H8 --html INC-7.html'],
    load: async () => (await import('../verbs/incident-report.ts')).runIncidentReport,
  },
];
