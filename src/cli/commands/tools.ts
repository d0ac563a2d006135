import type { CommandTable } from '../run/command.ts';
import { POSTURE } from './posture.ts';

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
      command: 'changes',
      summary: 'print what changes, as it happens: kinds and names, never values',
      details:
        'It prints only what your roles show, until it is interrupted. It does not print logins and reads: see quaymaster audit tail.',
      examples: ['quaymaster changes', 'quaymaster changes --output json'],
      load: async () => (await import('../verbs/changes.ts')).runChanges,
    },
    {
      command: 'watch',
      summary: 'follow logins, refusals, rotations and the holders of secrets',
      details:
        'On a terminal it is one screen; otherwise it prints a line for each change. Every 5 s it sends five requests, which the audit log records. It needs the role auditor.',
      examples: ['quaymaster watch', 'quaymaster watch --output json'],
      load: async () => (await import('../verbs/watch.ts')).runWatch,
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
      command: 'config show',
      summary: 'show the settings that the broker uses, with their defaults',
      details:
        'Of the replica that answers. Settings name the files that have secrets, and have none themselves. Addresses are shown without user, path and query. It needs the role admin.',
      examples: ['quaymaster config show', 'quaymaster config show --output json'],
      load: async () => (await import('../verbs/reload.ts')).runConfigShow,
    },
    ...POSTURE,
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
      summary: 'print a shell script that completes commands, options, their values and names',
      details:
        'Completion never calls a broker. It offers the names that `profile names` has saved.',
      arguments: [['<shell>', 'the shell', { choices: ['bash', 'zsh', 'fish'] }]],
      examples: [
        'quaymaster completion bash > ~/.local/share/bash-completion/completions/quaymaster',
      ],
      isLocal: true,
      load: async (whole) => (await import('../run/completion.ts')).completionVerb(whole()),
    },
  ],
};
