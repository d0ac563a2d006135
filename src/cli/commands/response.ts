import type { Command } from 'commander';
import { online } from './declare.ts';

const YES = ['-y, --yes', 'do not ask'] as const;
const WORKLOAD = 'k8s://<cluster>/<namespace>/<serviceaccount>';

/** What cuts somebody off. */
export function addResponse(program: Command): void {
  addSessions(program);
  addQuarantines(program);
  online(
    program
      .command('seal')
      .description(
        'make every replica of the broker forget its keys at once and refuse everything until it is started again',
      )
      .requiredOption('--reason <text>', 'why; it goes into the log')
      .option(...YES),
    async () => (await import('../verbs/seal.ts')).runSeal,
  );
}

function addSessions(program: Command): void {
  const load = () => import('../verbs/sessions.ts');
  const session = program.command('session').description('list and end sessions of workloads');
  online(
    withSessionFilters(session.command('ls').description('list open sessions')),
    async () => (await load()).runSessionList,
  );
  online(
    withSessionFilters(
      session
        .command('end')
        .description(
          'end sessions, selected in one way, with their leases; their holders may log in again; exit 1 if none matches',
        )
        .argument('[id]'),
    )
      .option('--comment <text>', 'why; it goes into the log')
      .option(...YES),
    async () => (await load()).runSessionEnd,
  );
}

function withSessionFilters(command: Command): Command {
  return command
    .option('--workload <workload>', `of ${WORKLOAD}`)
    .option('--cluster <name>', 'of this cluster, or with --pod of one pod in it')
    .option('--pod <uid>', 'of the pod with this UID')
    .option('--source <cidr>', 'that logged in from an address in this block');
}

function addQuarantines(program: Command): void {
  const load = () => import('../verbs/quarantines.ts');
  const quarantine = program
    .command('quarantine')
    .description('workloads, pods and operators that are refused everything');
  online(
    quarantine
      .command('add')
      .description(
        'refuse a workload, a pod or an operator everything from now on, and end what it holds',
      )
      .option('--workload <workload>', WORKLOAD)
      .option('--pod <uid>', 'with --cluster: the pod with this UID')
      .option('--cluster <name>', 'with --pod: the cluster it runs in')
      .option('--operator <name>', 'an operator, with all his tokens')
      .requiredOption('--reason <text>', 'why; it goes into the log')
      .option('--for <duration>', 'how long, such as 4h; without it until it is lifted')
      .option(...YES),
    async () => (await load()).runQuarantineAdd,
  );
  online(
    quarantine.command('ls').description('list the quarantines in force'),
    async () => (await load()).runQuarantineList,
  );
  online(
    quarantine
      .command('lift')
      .description('let a quarantined workload, pod or operator log in again')
      .argument('<id>', 'of the quarantine')
      .option('--reason <text>', 'why you lift it; the audit log records it'),
    async () => (await load()).runQuarantineLift,
  );
}
