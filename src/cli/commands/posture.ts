import type { CommandTable } from './command.ts';

export const TOOLS: CommandTable = {
  heading: 'Tools:',
  groups: { posture: 'whether containers are fit to get secrets' },
  commands: [
    {
      command: 'status',
      summary: 'show what needs attention, on one screen; exit 1 if something does',
      details:
        'Readiness and keys, the health of each mount, parked and overdue rotations, pending revocations, the audit log and its sinks. Parts that your roles do not cover are marked as not shown.',
      examples: ['quaymaster status', 'quaymaster status --output json'],
      load: async () => (await import('../verbs/status.ts')).runStatus,
    },
    {
      command: 'reload',
      summary: 'make the broker read its configuration file again, and show what it uses',
      details:
        'The broker validates the file first. If it is not valid, or a change needs a restart, nothing changes, and the command fails and prints every problem. With several replicas, it concerns the one that answers; SIGHUP does the same.',
      examples: ['quaymaster reload', 'quaymaster reload --output json'],
      load: async () => (await import('../verbs/reload.ts')).runReload,
    },
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
    {
      command: 'api',
      summary: 'call any operation of openapi.yaml; prints the response as it is, values included',
      arguments: [['<operation>', 'its operationId']],
      options: [
        [
          '-p, --param <name=value>',
          'a path, query or header parameter of the operation; may be repeated',
          { isRepeated: true },
        ],
        ['--body <file>', 'JSON body from a file, or - for standard input'],
      ],
      examples: [
        'quaymaster api listMounts --param limit=10',
        'quaymaster api explainDecision --body question.json',
      ],
      load: async () => (await import('../verbs/api.ts')).runApi,
    },
    {
      command: 'completion',
      summary: 'print a shell script that completes commands and options',
      details: 'Completion never calls a broker.',
      arguments: [['<shell>', 'the shell', { choices: ['bash', 'zsh', 'fish'] }]],
      examples: [
        'quaymaster completion bash > ~/.local/share/bash-completion/completions/quaymaster',
      ],
      isLocal: true,
      load: async (program) => (await import('../run/completion.ts')).completionVerb(program),
    },
  ],
};
