import { action } from '../../cli/run/action.ts';
import type { ActionRow, CommandRow, CommandTable } from '../../cli/run/command.ts';
import { leanStart } from '../../process/lean-start.ts';
import { CONFIG } from './options.ts';

export const DELIVERY: CommandTable<ActionRow | CommandRow> = {
  heading: 'Delivery to applications:',
  commands: [
    {
      command: 'run',
      summary: 'run a program with secrets in its environment, and nothing on disk',
      details:
        'For development: in a pod, the agent does this. Signals reach the program, and its exit code is that of the command (128 and the number of the signal that ended it). Only the program and the programs that it starts get the values. With --watch the command asks every 15 s for the versions of the secrets, which needs the right to list or read them.',
      arguments: [['<command...>', 'the program and its arguments, after --']],
      options: [
        [
          '--env <NAME=path#key>',
          'a variable, and the secret and key with its value; may be repeated',
          { isRepeated: true },
        ],
        ['--from <file>', 'a file with lines NAME=path#key; it holds no secret'],
        ['--watch', 'restart the program when a secret has a new version'],
        [
          '--signal <name>',
          'with --watch: send this signal instead, such as SIGHUP; the environment of the program keeps the old values',
        ],
      ],
      examples: [
        "quaymaster run --env 'DB_PASSWORD=payments/db#password' -- npm start",
        'quaymaster run --from secrets.env --watch -- node server.js',
      ],
      load: async () => (await import('../run-with-secrets.ts')).runWithSecrets,
    },
    action(
      {
        command: 'agent',
        summary: 'deliver secrets to the application in the same pod',
        details: 'See docs/agent.md for its options.',
        examples: ['quaymaster agent --config agent.yaml --once'],
      },
      // src/program/main.ts starts the agent; this row is for the help only.
      () => Promise.resolve(),
    ),
    action<{ config: string }>(
      {
        command: 'injector',
        summary: 'serve the admission webhook that puts the agent into pods; see docs/injection.md',
        details:
          'It reads the sections injector, connections, kubernetes, metrics and log of the configuration of the broker, and needs neither its store nor its keys. On SIGTERM it answers until the API servers have left, 15 to 100 seconds.',
        options: [CONFIG],
        examples: ['quaymaster injector --config /etc/quaymaster/config.yaml'],
      },
      async ({ options: { config } }) => {
        const { runInjector } = await import('../verbs/injector.ts');
        await leanStart(() => runInjector(config));
      },
    ),
    action<{ config: string }>(
      {
        command: 'csi-provider',
        summary: 'serve the Secrets Store CSI driver of one node; see docs/csi.md',
        options: [
          [
            '-c, --config <file>',
            'configuration file of the provider',
            { fallback: '/etc/quaymaster/csi-provider.yaml' },
          ],
        ],
        examples: ['quaymaster csi-provider --config csi-provider.yaml'],
      },
      async ({ options: { config } }) => {
        const { runCsiProvider } = await import('../verbs/csi-provider.ts');
        await runCsiProvider(config);
      },
    ),
  ],
};
