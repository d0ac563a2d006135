import type { Command } from 'commander';
import { addDocuments, addApply } from './commands/documents.ts';
import { addImports } from './commands/imports.ts';
import { addLeases } from './commands/leases.ts';
import { addOperators } from './commands/operators.ts';
import { addPolicies } from './commands/policies.ts';
import { addResponse } from './commands/response.ts';
import { addRotations } from './commands/rotations.ts';
import { addForHolders, addSecrets } from './commands/secrets.ts';
import { addSession } from './commands/session.ts';
import { addTools } from './commands/tools.ts';

export { addAuditQueries } from './commands/audit.ts';

/** The verbs that ask a broker, under the headings of the help. Only their words are here: what a verb does is loaded when it runs. */
export function addClientVerbs(program: Command): void {
  addSession(program.commandsGroup('Who asks:'));
  addSecrets(program.commandsGroup('Secrets:'));
  addForHolders(program.commandsGroup('As a workload:'));
  program.commandsGroup('Documents from files:');
  addApply(program);
  addPolicies(program);
  addDocuments(program);
  addOperators(program);
  addRotations(program.commandsGroup('Rotations:'));
  addLeases(program.commandsGroup('Leases:'));
  addResponse(program.commandsGroup('Answering a compromise:'));
  addImports(program.commandsGroup('Imports:'));
  addTools(program.commandsGroup('Tools:'));
}
