import { Option, type Command } from 'commander';
import { online } from './declare.ts';

const SELECTION = [
  ['--path <path>', 'of this path and what lies below it'],
  ['--workload <workload>', 'of k8s://<cluster>/<namespace>/<serviceaccount>'],
  ['--pod <uid>', 'of the pod with this UID'],
  ['--mount <name>', 'of secrets behind this mount'],
] as const;

const load = () => import('../verbs/leases.ts');

export function addLeases(program: Command): void {
  const lease = program.command('lease').description('who holds what, and taking it back');
  const list = lease.command('ls').description('list leases');
  for (const [flags, description] of SELECTION) list.option(flags, description);
  online(
    list.addOption(new Option('--state <state>', 'only these').choices(['live', 'ended'])),
    async () => (await load()).runLeaseList,
  );
  online(
    lease.command('get').description('show one').argument('<id>'),
    async () => (await load()).runLeaseGet,
  );
  const revoke = lease
    .command('revoke')
    .description(
      'end leases, selected in one way, and revoke their credentials; this does not stop a workload from logging in again: add --quarantine 1h; exit 1 if none matches',
    )
    .argument('[id]');
  for (const [flags, description] of SELECTION) revoke.option(flags, description);
  online(
    revoke
      .option('--comment <text>', 'why; it goes into the log')
      .option(
        '--quarantine <duration>',
        'with ID, --workload or --pod: also keep the holder out for this long, such as 1h',
      )
      .option('-y, --yes', 'do not ask'),
    async () => (await load()).runLeaseRevoke,
  );
  addOwn(lease);
  addRevocations(program);
}

/** What a workload does with its own leases. */
function addOwn(lease: Command): void {
  online(
    lease
      .command('renew')
      .description('extend a lease of your own, as a workload')
      .argument('<id>')
      .option('--ttl <duration>', 'for how long from now, such as 15m'),
    async () => (await load()).runLeaseRenew,
  );
  online(
    lease
      .command('release')
      .description('give a lease of your own back, as a workload')
      .argument('<id>'),
    async () => (await load()).runLeaseRelease,
  );
}

function addRevocations(program: Command): void {
  const revocation = program
    .command('revocation')
    .description('credentials that wait for revocation, or could not be revoked');
  online(
    revocation
      .command('ls')
      .description('list them')
      .addOption(
        new Option('--state <state>', 'only these').choices([
          'revoking',
          'irrevocable',
          'expiring',
        ]),
      ),
    async () => (await load()).runRevocationList,
  );
  online(
    revocation.command('retry').description('try one again now').argument('<credential>'),
    async () => (await load()).runRevocationRetry,
  );
}
