import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type TestSequencer from '@jest/test-sequencer';

// The types of the package describe its CommonJS form.
const { default: Sequencer } = createRequire(import.meta.url)(
  '@jest/test-sequencer',
) as typeof TestSequencer;

const ROOT = new URL('../../', import.meta.url).pathname;

/** Suites that take longer than half a minute, the longest first. */
const LONGEST = [
  'test/faults/rotation/providers.real.test.ts',
  'test/faults/rotation/accounts.real.test.ts',
  'test/model/histories.test.ts',
  'test/faults/broker/issue-killed.real.test.ts',
  'test/e2e/pages.test.ts',
  'test/faults/rotation/on-postgres.real.test.ts',
  'test/contract/aws-role.real.test.ts',
  'test/faults/rotation/two-owners.real.test.ts',
  'test/faults/rotation/killed.real.test.ts',
  'test/e2e/agent-outage.test.ts',
  'test/faults/broker/revocation-backlog.test.ts',
  'test/faults/audit/tampering.test.ts',
  'test/faults/store/random-damage.test.ts',
  'test/contract/embedded-provider.real.test.ts',
  'test/e2e/two-brokers.real.test.ts',
  'test/faults/broker/partition.real.test.ts',
  'test/faults/providers/postgres-tenant.real.test.ts',
  'test/faults/store/destroyed-keys.test.ts',
  'test/e2e/kill-switch.real.test.ts',
  'test/faults/store/row-mutations.test.ts',
  'test/deploy/image.test.ts',
  'test/faults/broker/killed-postgres.real.test.ts',
  'test/faults/broker/disk-full.test.ts',
  'test/e2e/agent-credential.real.test.ts',
  'test/faults/broker/soak.test.ts',
  'test/e2e/main-job.real.test.ts',
  'test/e2e/command-line.test.ts',
].map((path) => ROOT + path);

for (const path of LONGEST) {
  if (!existsSync(path)) throw new Error(`${path} does not exist: correct this list`);
}

type Test = Parameters<InstanceType<typeof Sequencer>['sort']>[0][number];

/** Starts the longest suites first, so that none of them runs alone at the end. A clean clone does not know the times of an earlier run. */
export default class LongestFirst extends Sequencer {
  override async sort(tests: readonly Test[]): Promise<Test[]> {
    const known = LONGEST.flatMap((path) => tests.filter((test) => test.path === path));
    const others = tests.filter(({ path }) => !LONGEST.includes(path));
    return [...known, ...(await super.sort(others))];
  }
}
