import { AUDIT } from './audit.ts';
import type { CommandTable } from '../run/command.ts';
import { DOCUMENTS, OPERATORS, POLICIES } from './documents.ts';
import { IMPORTS } from './imports.ts';
import { LEASES } from './leases.ts';
import { BACKUPS } from './backups.ts';
import { APPROVALS } from './approvals.ts';
import { ATTESTATIONS } from './attestations.ts';
import { EVIDENCE } from './evidence.ts';
import { INCIDENTS } from './incidents.ts';
import { KEYS } from './keys.ts';
import { ROTATIONS } from './rotations.ts';
import { FOR_WORKLOADS, SECRETS } from './secrets.ts';
import { SESSION } from './login.ts';
import { TOOLS } from './tools.ts';

/** Commands that call a broker, in the order of the help. */
export const CLIENT_TABLES: readonly CommandTable[] = [
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
