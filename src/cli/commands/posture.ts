import type { CommandRow } from '../run/command.ts';

/** Commands that show whether containers are fit to get secrets. */
export const POSTURE: readonly CommandRow[] = [
  {
    command: 'posture check',
    summary:
      'check the pods of manifests against a Pod Security Standard; exit 1 if one violates it',
    details:
      'Reads pods, workloads with a pod template, and lists of them; other objects are skipped. All containers count: init, regular and ephemeral ones. Exemptions of a cluster do not apply.',
    arguments: [['<place...>', 'files, directories, or - for standard input']],
    options: [
      [
        '--level <level>',
        'the standard',
        { choices: ['baseline', 'restricted'], fallback: 'restricted' },
      ],
      [
        '--kubernetes <version>',
        'the version of the standard, such as v1.34',
        { fallback: 'latest' },
      ],
    ],
    examples: [
      'quaymaster posture check deploy/',
      'quaymaster posture check --level baseline --kubernetes v1.34 web.yaml',
    ],
    isLocal: true,
    load: async () => (await import('../verbs/posture-check.ts')).runPostureCheck,
  },
  {
    command: 'posture explain',
    summary: 'show what the posture profiles of the broker find at pods; exit 1 if one refuses',
    details:
      'Of a running pod, or of pods in files before they run. The broker decides with the same function that decides reads, and changes nothing.',
    arguments: [['[place...]', 'files, directories, or - for standard input']],
    options: [
      ['--cluster <name>', 'the cluster of the pods', { isRequired: true }],
      ['--namespace <name>', 'the namespace of the pods that name none', { fallback: 'default' }],
      ['--pod <name>', 'a running pod, instead of files'],
    ],
    examples: [
      'quaymaster posture explain --cluster prod --namespace shop --pod web-0',
      'quaymaster posture explain --cluster prod --namespace shop deploy/',
    ],
    load: async () => (await import('../verbs/posture-explain.ts')).runPostureExplain,
  },
  {
    command: 'posture survey',
    summary:
      'show which pods with sessions would not meet a posture profile; exit 1 if there are any',
    details:
      'The profile is read from a file and need not be saved. Its `match` selects the pods. Nothing is changed.',
    arguments: [['<place...>', 'files or directories with one posture profile, or -']],
    examples: [
      'quaymaster posture survey production.yaml',
      'quaymaster posture survey production.yaml --output json',
    ],
    load: async () => (await import('../verbs/posture-explain.ts')).runPostureSurvey,
  },
];
