import { Option, type Command } from 'commander';
import { online } from './declare.ts';

export function addImports(program: Command): void {
  const group = program
    .command('import')
    .description('copy secrets of another system; what is at the broker already stays as it is');
  const vault = group
    .command('vault')
    .description('copy the current versions of a KV engine of Vault or OpenBao')
    .requiredOption('--address <url>', 'of the server')
    .requiredOption('--vault-token-file <file>', 'a token that may list and read')
    .option('--mount <path>', 'of the KV engine', 'secret')
    .addOption(
      new Option('--kv <version>', 'which KV it is; asked unless told').choices(['1', '2']),
    )
    .option('--namespace <name>', 'of the server')
    .option('--vault-ca <file>', "the authority of the server's certificate");
  online(every(vault), async () => (await import('../verbs/import.ts')).runImportVault);
  const aws = group
    .command('aws')
    .description(
      'copy the current versions of AWS Secrets Manager; credentials as the AWS SDK finds them',
    )
    .requiredOption('--region <name>', 'where they are')
    .option('--endpoint <url>', 'instead of the public one');
  online(every(aws), async () => (await import('../verbs/import.ts')).runImportAws);
}

function every(command: Command): Command {
  return command
    .option('--from <prefix>', 'only what lies below, without this prefix')
    .option('--to <prefix>', 'where at the broker')
    .option('--map <file>', 'YAML of source: target for single secrets; null leaves one out')
    .option('--dry-run', 'show the plan and stop; exit 2 if something would be copied')
    .option('-y, --yes', 'do not ask');
}
