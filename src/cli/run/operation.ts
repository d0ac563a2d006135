import type { CallId } from '../../client/index.ts';
import type { CommandRow, OperationRow } from './command.ts';

/** A command that is one operation of the API. */
export function operation<Id extends CallId>(id: Id, row: OperationRow<Id>): CommandRow {
  return {
    ...row,
    load: async () => (await import('./run-operation.ts')).operationVerb(id, row),
  };
}
