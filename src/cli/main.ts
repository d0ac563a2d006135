import type { Command } from 'commander';
import { addDocuments, addApply } from './commands/documents.ts';
import { addImports } from './commands/imports.ts';
import { addLeases } from './commands/leases.ts';
import { addOperators } from './commands/operators.ts';
import { addPolicies } from './commands/policies.ts';
import { addRotations } from './commands/rotations.ts';
import { addSecrets } from './commands/secrets.ts';
import { addSession } from './commands/session.ts';
import { addTools } from './commands/tools.ts';

export { addAuditQueries } from './commands/audit.ts';

/** The verbs that ask a broker. Only their words are here: what a verb does is loaded when it runs. */
export function addClientVerbs(program: Command): void {
  addSession(program);
  addSecrets(program);
  addApply(program);
  addPolicies(program);
  addDocuments(program);
  addOperators(program);
  addRotations(program);
  addLeases(program);
  addImports(program);
  addTools(program);
}
