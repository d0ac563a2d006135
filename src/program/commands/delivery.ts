import { action } from '../../cli/commands/action.ts';
import type { ActionRow, CommandTable } from '../../cli/commands/command.ts';

export const DELIVERY: CommandTable<ActionRow> = {
  heading: 'Delivery to applications:',
  commands: [
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
        const { runCsiProvider } = await import('../../compose/verbs/csi-provider.ts');
        await runCsiProvider(config);
      },
    ),
  ],
};
