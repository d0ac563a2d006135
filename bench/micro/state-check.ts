import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyringRowMacs } from '../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../src/crypto/keys/root-keys.ts';
import { systemClock } from '../../src/process/clock.ts';
import { SetHash } from '../../src/crypto/hashes/set-hash.ts';
import { DIGESTED } from '../../src/store/guard/guarded-tables.ts';
import { RowGuard } from '../../src/store/guard/row-guard.ts';
import { checkRows } from '../../src/store/guard/state-check.ts';
import { openSqliteStore } from '../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../test/kit/fakes/fake-audit-chain.ts';

/**
 * Prints how long the periodic check of the rows stops the event loop: `node bench/micro/state-check.ts 100000 500`, with the numbers of secrets and of
 * documents of 100 KB. Each time is processor time of the event loop's thread between two of its turns.
 */
const [count = '100000', documents = '0'] = process.argv.slice(2);
const SECRETS_A_PLAN = 500;
const BODY = 'x'.repeat(100_000);
const ROUNDS = 5;

const directory = mkdtempSync(join(tmpdir(), 'quaymaster-bench-'));
const keyring = new Keyring(generateRootKey());
const guard = new RowGuard({ entry: () => '{}' });
guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
const store = await openSqliteStore(
  { path: join(directory, 'store', 'store.db'), ballastBytes: 0 },
  { chain: new FakeAuditChain(), clock: systemClock, mode: 'development', guard },
);
const empty = { generation: 1, count: 0, set: SetHash.empty() };
await store.commit({
  writes: DIGESTED.map((kind) => ({
    table: 'state_digests',
    put: guard.createDigest(kind, empty),
  })),
});
guard.enforce();
for (let at = 0; at < Number(count); at += SECRETS_A_PLAN) {
  const writes = Array.from({ length: SECRETS_A_PLAN }, (_, i) => secret(at + i));
  await store.commit({ writes });
}

for (let at = 0; at < Number(documents); at += 1)
  await store.commit({ writes: [{ table: 'documents', put: document(at) }] });

function document(index: number) {
  return {
    kind: 'policy',
    name: `p${index}`,
    uid: `doc_${index}`,
    version: 1,
    body: BODY,
    updated_at: 0,
    updated_by: 'bench',
    mac: new Uint8Array(),
    defaults: null,
    elevation: null,
  };
}

function secret(index: number) {
  return {
    table: 'secrets',
    put: {
      path: `team-${index % 40}/service-${index % 200}/secret-${index}`,
      id: `sec_${index}`,
      last_version: 3,
      current_version: 3,
      updated_at: index,
      mac: new Uint8Array(),
      deleted_version: null,
      deleted_through: null,
      destroy_at: null,
    },
  } as const;
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

for (let round = 1; round <= ROUNDS; round += 1) {
  const turns: number[] = [];
  let last = threadMs();
  let isDone = false;
  const turn = (): void => {
    const now = threadMs();
    turns.push(now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const problems = await checkRows(store, guard);
  isDone = true;
  const sorted = turns.toSorted((a, b) => b - a).map((ms) => ms.toFixed(1));
  const all = turns.reduce((sum, ms) => sum + ms, 0);
  console.log(
    `round ${round}: ${all.toFixed(0)} ms in ${turns.length} turns, the longest ${sorted.slice(0, 5).join(', ')} ms, ${problems.length} problems`,
  );
}
await store.close();
rmSync(directory, { recursive: true });
