import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type TestSequencer from '@jest/test-sequencer';

// The types of the package describe its CommonJS form.
const { default: Sequencer } = createRequire(import.meta.url)(
  '@jest/test-sequencer',
) as typeof TestSequencer;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Suites that take longer than a quarter of a minute on two processors, the longest first. */
const LONGEST = [
  'test/e2e/states.real.test.ts',
  'test/faults/rotation/providers.real.test.ts',
  'test/interop/contract.real.test.ts',
  'test/faults/rotation/accounts.real.test.ts',
  'test/faults/broker/issue-killed.real.test.ts',
  'test/model/histories.test.ts',
  'test/faults/rotation/on-postgres.real.test.ts',
  'test/e2e/pages.test.ts',
  'test/faults/rotation/two-owners.real.test.ts',
  'test/contract/aws-role.real.test.ts',
  'test/faults/broker/partition.real.test.ts',
  'test/faults/rotation/killed.real.test.ts',
  'test/faults/audit/tampering.test.ts',
  'test/e2e/archived-backup.real.test.ts',
  'test/e2e/scanned-image.real.test.ts',
  'test/faults/broker/revocation-backlog.test.ts',
  'test/faults/broker/custom-resources-takeover.real.test.ts',
  'test/api/security-keys.test.ts',
  'test/e2e/release-killed.test.ts',
  'test/faults/broker/rotation-postgres.real.test.ts',
  'test/deploy/kind.real.test.ts',
  'test/deploy/built-image.real.test.ts',
  'test/faults/providers/postgres-tenant.real.test.ts',
  'test/e2e/command-line.test.ts',
  'test/faults/store/row-mutations.test.ts',
  'test/e2e/two-brokers.real.test.ts',
  'test/deploy/chart.real.test.ts',
  'test/faults/store/restore.test.ts',
  'test/contract/embedded-provider.real.test.ts',
  'test/e2e/kek-change.real.test.ts',
  'test/e2e/kill-switch.real.test.ts',
  'test/faults/store/random-damage.test.ts',
  'test/faults/store/kms-outage.real.test.ts',
  'test/vault-api/agent.real.test.ts',
  'test/e2e/agent-outage.test.ts',
  'test/faults/audit/archived-postgres.real.test.ts',
  'test/faults/broker/admin-replaced.real.test.ts',
  'test/e2e/main-job.real.test.ts',
  'test/e2e/agent-credential.real.test.ts',
  'test/faults/audit/damaged-export.test.ts',
  'test/faults/broker/disk-full.test.ts',
  'test/faults/store/restored-postgres.real.test.ts',
  'test/faults/broker/reload-killed.test.ts',
  'test/deploy/image.test.ts',
  'test/faults/broker/issue-killed-postgres.real.test.ts',
  'test/e2e/read-history.real.test.ts',
  'test/e2e/dev.test.ts',
  'test/e2e/backup.test.ts',
  'test/faults/broker/soak.test.ts',
  'test/unit/audit/archive/archived-log.test.ts',
  'test/faults/broker/stopping.test.ts',
  'test/e2e/incident-killed.test.ts',
  'test/faults/broker/exhausted.test.ts',
  'test/faults/broker/killed-acknowledging-sink.test.ts',
  'test/faults/audit/equivocating-witness.real.test.ts',
  'test/deploy/chart-lifecycle.real.test.ts',
  'test/faults/broker/killed-postgres.real.test.ts',
  'test/faults/broker/reload-signals.test.ts',
  'test/faults/broker/killed-under-load.test.ts',
  'test/e2e/agent-resident.test.ts',
  'test/deploy/chart-cluster.real.test.ts',
  'test/deploy/kubernetes-documents.real.test.ts',
  'test/guards/loaded-libraries.test.ts',
  'test/api/server.test.ts',
  'test/deploy/release.test.ts',
  'test/e2e/injector.real.test.ts',
  'test/e2e/import.real.test.ts',
  'test/unit/broker/rotations/rotation-faults.test.ts',
  'test/unit/crypto/encryption/aead.test.ts',
  'test/unit/delivery/injector/inject-fuzz.test.ts',
  'test/faults/broker/rotation-killed.test.ts',
  'test/contract/pod-watch.real.test.ts',
  'test/contract/store.real.test.ts',
  'test/faults/rotation/refused.real.test.ts',
  'test/faults/broker/reload-under-load.test.ts',
  'test/faults/store/postgres-killed.real.test.ts',
  'test/faults/broker/backend-faults.test.ts',
  'test/faults/audit/forged-entries.real.test.ts',
  'test/faults/broker/killed-network-sinks.test.ts',
  'test/api/client-operations.test.ts',
  'test/faults/broker/many-leases.test.ts',
  'test/faults/rotation/poison.test.ts',
  'test/api/pod-responses.test.ts',
  'test/interop/external-secrets.test.ts',
  'test/faults/store/state-digest-postgres.real.test.ts',
  'test/faults/agent/whole-files.test.ts',
  'test/faults/store/earlier-store-postgres.real.test.ts',
  'test/faults/store/earlier-store.test.ts',
  'test/e2e/agent-exec.test.ts',
  'test/api/hostile-bodies.test.ts',
  'test/e2e/csi-provider.test.ts',
  'test/faults/broker/disk-full-postgres.real.test.ts',
  'test/e2e/replica-responses.real.test.ts',
  'test/faults/rotation/mysql-holder.real.test.ts',
  'test/faults/agent/fleet.test.ts',
  'test/e2e/security-key.test.ts',
  'test/faults/store/root-key-rotation.test.ts',
  'test/interop/kyverno-signatures.real.test.ts',
  'test/faults/store/last-admin.real.test.ts',
  'test/e2e/bound-sessions.real.test.ts',
  'test/deploy/shared-keys.real.test.ts',
  'test/e2e/cli-repairs.real.test.ts',
  'test/faults/broker/throwing.test.ts',
  'test/faults/broker/power-loss.test.ts',
  'test/faults/store/kek-change.test.ts',
  'test/unit/audit/sinks/syslog-sink.test.ts',
  'test/interop/kyverno-pod-security.real.test.ts',
  'test/faults/store/sqlite-killed.test.ts',
  'test/faults/broker/acknowledging-replica.real.test.ts',
  'test/faults/store/backup-disk-full.test.ts',
  'test/faults/store/state-digest.test.ts',
  'test/api/seal.test.ts',
  'test/e2e/agent-once.test.ts',
  'test/unit/compose/clusters/cluster-documents.test.ts',
  'test/contract/postgres-rotation.real.test.ts',
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
