import type { Command } from 'commander';
import { AUDIT } from '../commands/audit.ts';
import type { CommandTable } from '../commands/command.ts';
import { addTable } from '../commands/declare.ts';
import { DOCUMENTS, OPERATORS, POLICIES } from '../commands/documents.ts';
import { IMPORTS } from '../commands/imports.ts';
import { LEASES } from '../commands/leases.ts';
import { BACKUPS } from '../commands/backups.ts';
import { APPROVALS } from '../commands/approvals.ts';
import { ATTESTATIONS } from '../commands/attestations.ts';
import { EVIDENCE } from '../commands/evidence.ts';
import { INCIDENTS } from '../commands/incidents.ts';
import { KEYS } from '../commands/keys.ts';
import { ROTATIONS } from '../commands/rotations.ts';
import { FOR_WORKLOADS, SECRETS } from '../commands/secrets.ts';
import { SESSION } from '../commands/login.ts';
import { TOOLS } from '../commands/posture.ts';

export type { CommandWords } from '../commands/command.ts';
export { addCommand, addConnection, OUTPUT } from '../commands/declare.ts';

/** Tables in the order of the help. */
const TABLES: readonly CommandTable[] = [
  SESSION,
  SECRETS,
  FOR_WORKLOADS,
  DOCUMENTS,
  POLICIES,
  OPERATORS,
  ROTATIONS,
  LEASES,
  INCIDENTS,
  APPROVALS,
  ATTESTATIONS,
  EVIDENCE,
  KEYS,
  BACKUPS,
  IMPORTS,
  TOOLS,
  AUDIT,
];

/** Adds the commands that call a broker. The tables hold words only: the code of a command is loaded when it runs. */
export function addClientCommands(program: Command): void {
  for (const table of TABLES) addTable(program, table);
}
