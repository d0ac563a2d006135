import type { Command } from 'commander';
import { online } from './declare.ts';
import { repeated } from './repeated.ts';
import { addDocumentVerbs, MADE, pruneOption } from './documents.ts';

const FILES = '<place...>';
const FILES_ARE = 'files, directories with all below them, or -';

export function addPolicies(program: Command): void {
  const policy = program.command('policy').description(`who may do what${MADE}`);
  addDocumentVerbs(policy, 'policy');
  addChanges(policy);
  addQuestions(policy);
}

function addChanges(policy: Command): void {
  online(
    policy
      .command('apply')
      .description('make the broker have the policies of files, after showing the plan')
      .argument(FILES, FILES_ARE)
      .addOption(pruneOption(['policy']))
      .option('--dry-run', 'show the plan and stop; exit 2 if something would be done')
      .option('-y, --yes', 'do not ask'),
    async () => (await import('../verbs/apply.ts')).runPolicyApply,
  );
  online(
    policy
      .command('diff')
      .description(
        'show how the policies of files differ from those of the broker; exit 2 if they do',
      )
      .argument(FILES, FILES_ARE)
      .addOption(pruneOption(['policy'])),
    async () => (await import('../verbs/apply.ts')).runPolicyDiff,
  );
  online(
    policy
      .command('validate')
      .description('say all that is wrong with policies; exit 1 if something is')
      .argument(FILES, FILES_ARE)
      .option('--offline', 'by the rules of this program, without a broker'),
    async () => (await import('../verbs/policies.ts')).runValidate,
  );
}

function addQuestions(policy: Command): void {
  online(
    policy
      .command('explain')
      .description(
        'say what is decided for a workload, and why, with quarantines and revocations; exit 3 if it is denied or blocked',
      )
      .argument('<workload>', 'k8s://<cluster>/<namespace>/<serviceaccount>')
      .argument('<path>', 'of the secret')
      .option('--capability <word>', 'read, list, write or rotate', 'read')
      .option('--source-address <address>', 'where it calls from', '127.0.0.1')
      .option('--at <time>', 'at this time instead of now, such as 2026-01-05T10:00:00Z')
      .option('--sealed', 'of a session whose answers are sealed')
      .option('--no-sealed', 'of a session whose answers are not')
      .option('--pod-name <name>', 'with --pod-uid: its pod')
      .option('--pod-uid <uid>', 'with --pod-name: its pod')
      .option('--label <key=value>', 'a label of its pod; may be repeated', repeated)
      .option('--session <id>', 'look for what was revoked from this session'),
    async () => (await import('../verbs/policies.ts')).runExplain,
  );
  online(
    policy
      .command('test')
      .description('decide what test files ask, and compare; exit 1 if something differs')
      .argument(FILES, FILES_ARE)
      .option(
        '--policies <place>',
        'the policies of a file or directory instead of those of the broker',
      ),
    async () => (await import('../verbs/policy-test.ts')).runPolicyTest,
  );
}
