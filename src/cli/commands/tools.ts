import { Argument, type Command } from 'commander';
import { online } from './declare.ts';
import { repeated } from './repeated.ts';

export function addTools(program: Command): void {
  online(
    program
      .command('api')
      .description('call any operation of openapi.yaml; its answer comes as it is, values included')
      .argument('<operation>', 'its operationId')
      .option(
        '-p, --param <name=value>',
        'a parameter, wherever the operation has it; may be repeated',
        repeated,
      )
      .option('--body <file>', 'JSON from a file, or - for standard input'),
    async () => (await import('../verbs/api.ts')).runApi,
  );
  program
    .command('completion')
    .description('print a script that completes commands and options')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { runVerb } = await import('../run-verb.ts');
      process.exitCode = await runVerb([shell], {}, async () => {
        const { commandTree } = await import('../completion/command-tree.ts');
        const { completionScript } = await import('../completion/scripts.ts');
        const script = completionScript(shell, program.name(), commandTree(program));
        return ({ output }) => output.raw(script);
      });
    });
}
