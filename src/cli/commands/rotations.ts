import {
  COMMENT,
  type ArgumentRow,
  type CommandRow,
  type CommandTable,
  type OptionRow,
} from '../run/command.ts';
import { operation } from '../run/operation.ts';

const load = () => import('../verbs/rotations.ts');
const PATH: ArgumentRow = ['<path>', 'path of the secret'];
const KEY: OptionRow = [
  '--idempotency-key <key>',
  'safe to repeat: the same key returns the same rotation',
];
const WAIT: OptionRow = [
  '--wait',
  'wait until it finishes, and say what was proven; exit 1 if it fails',
];

/** The verbs that steer the rotation of a path that is in progress. */
function steering(
  verb: string,
  summary: string,
  id: 'retryRotation' | 'abortRotation' | 'rollBackRotation' | 'retireRotation',
): CommandRow {
  return {
    command: `rotate ${verb}`,
    summary,
    arguments: [PATH],
    options: [COMMENT, WAIT],
    examples: [`quaymaster rotate ${verb} payments/db --wait`],
    load: async () => (await load()).rotationVerb(id),
  };
}

export const ROTATIONS: CommandTable = {
  heading: 'Rotation:',
  groups: { rotate: 'rotate credentials' },
  commands: [
    {
      command: 'rotate run',
      summary: 'rotate now',
      arguments: [PATH],
      options: [
        ['--incident', 'do not wait for holders of the old version; needs --comment'],
        COMMENT,
        KEY,
        WAIT,
      ],
      examples: [
        'quaymaster rotate run payments/db --wait',
        'quaymaster rotate run payments/db --incident --comment INC-7',
      ],
      load: async () => (await load()).rotationVerb('runRotation'),
    },
    {
      command: 'rotate drill',
      summary: 'test that a rotation would work, without handing out the new credential',
      arguments: [PATH],
      options: [COMMENT, KEY, WAIT],
      examples: ['quaymaster rotate drill payments/db --wait'],
      load: async () => (await load()).rotationVerb('drillRotation'),
    },
    steering('retry', 'retry the failed step now', 'retryRotation'),
    steering('abort', 'abort a rotation whose new version is not current yet', 'abortRotation'),
    steering('rollback', 'make the previous version current again', 'rollBackRotation'),
    steering(
      'retire',
      'revoke the old credential now, even if it is still in use',
      'retireRotation',
    ),
    operation('listRotations', {
      command: 'rotate ls',
      summary: 'list the paths that rotate',
      options: [
        [
          '--overdue',
          'only paths whose run or drill was due over five minutes ago or is stuck, or whose value expires soon without a schedule',
        ],
        ['--never-proven', 'only paths that no rotation and no drill has tested'],
        [
          '--state <state>',
          'only paths whose rotation is in this state',
          { choices: ['running', 'parked', 'undoing'] },
        ],
        ['--due-before <time>', 'only paths that are due by then, such as 2026-01-05T10:00:00Z'],
      ],
      columns: {
        path: 'path',
        'next run': 'nextRunAt',
        rotated: 'rotatedAt',
        proven: 'provenAt',
        failures: 'failures',
        'in progress': ({ active }) =>
          active === undefined ? '-' : `${active.state}: ${active.step}`,
      },
      examples: ['quaymaster rotate ls', 'quaymaster rotate ls --overdue'],
    }),
    {
      command: 'rotate status',
      summary: 'show the rotation of a path, and who holds which version',
      arguments: [PATH],
      examples: ['quaymaster rotate status payments/db'],
      load: async () => (await load()).runRotationStatus,
    },
    operation('readRotationHistory', {
      command: 'rotate history',
      summary: 'list the rotations and drills of a path, newest first',
      arguments: [PATH],
      columns: {
        id: 'id',
        kind: 'kind',
        cause: 'cause',
        state: 'state',
        step: 'step',
        by: 'requestedBy',
        started: 'createdAt',
        finished: 'endedAt',
        'last error': 'lastError',
      },
      examples: ['quaymaster rotate history payments/db'],
    }),
  ],
};
