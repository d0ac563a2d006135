import type { Command } from 'commander';
import { online } from './declare.ts';
import { addDocumentVerbs, MADE } from './documents.ts';
import { repeated } from './repeated.ts';

const load = () => import('../verbs/operator-tokens.ts');

export function addOperators(program: Command): void {
  const operator = program
    .command('operator')
    .description(`people and machines that operate the broker${MADE}`);
  addDocumentVerbs(operator, 'operator');
  const token = operator.command('token').description('what operators log in with');
  online(
    token
      .command('create')
      .description('make a token, into a new file')
      .argument('<operator>')
      .requiredOption('--out <file>', 'a file that is not there yet; it gets mode 0600')
      .option(
        '--ttl <duration>',
        'how long it lives, such as 8h; else 1h, or until your own token ends',
      )
      .option(
        '--role <role>',
        'only this of what the operator holds, ROLE or ROLE:PATH,PATH; may be repeated',
        repeated,
      )
      .option('--from <network>', 'only from there, such as 10.0.0.0/8; may be repeated', repeated)
      .option('--description <text>', 'what it is for'),
    async () => (await load()).runTokenCreate,
  );
  online(
    token.command('ls').description('list the tokens of an operator').argument('<operator>'),
    async () => (await load()).runTokenList,
  );
  online(
    token
      .command('revoke')
      .description('end a token at once')
      .argument('<operator>')
      .argument('<token>', 'its id'),
    async () => (await load()).runTokenRevoke,
  );
}
