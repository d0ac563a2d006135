import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Keyring } from '../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../src/crypto/keys/root-keys.ts';
import type { CallContext } from '../../../src/ports/call-context.ts';
import type {
  SecretProvider,
  SecretWrites,
  StagedWrite,
} from '../../../src/ports/secret-provider.ts';
import type { Outcome, Store, TableName, Write } from '../../../src/ports/store.ts';
import { openEmbedded as openBackend } from '../../../src/providers/embedded/open.ts';
import type { StoreDeps } from '../../../src/store/store-deps.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../fakes/fake-audit-chain.ts';
import { HandClock } from '../time/hand-clock.ts';
import { writeNewStore } from '../store/new-store.ts';
import { allRows } from '../../../src/ports/queries.ts';

export const CONTEXT: CallContext = { requestId: 'req-1', signal: new AbortController().signal };

export interface Embedded {
  readonly store: Store;
  readonly clock: HandClock;
  readonly keyring: Keyring;
  readonly provider: SecretProvider;
  readonly writes: SecretWrites;
  mount(options: unknown): SecretProvider;
  commit(staged: Promise<StagedWrite>): Promise<Outcome>;
  /** Puts and commits. @returns the version. */
  put(path: string, data: Record<string, string>, ifVersion?: string): Promise<string | undefined>;
  value(path: string, version?: string): Promise<unknown>;
  /** Changes the database file as an attacker can. */
  tamper(write: Write): Promise<void>;
  rows(table: TableName): ReturnType<Store['list']>;
  close(): Promise<void>;
}

/** A separate store for one test; `remove` deletes its files or database. */
interface OwnStore {
  open(deps: StoreDeps): Promise<Store>;
  remove(): Promise<void>;
}
export type MakeStore = () => Promise<OwnStore>;

export const onSqlite: MakeStore = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-embedded-'));
  const path = join(directory, 'store.db');
  await writeNewStore(path);
  return {
    open: (deps) => openSqliteStore({ path, ballastBytes: 4096, syncsInPool: false }, deps),
    remove: () => rm(directory, { recursive: true }),
  };
};

/** The embedded provider on a separate store, mounted at `app`. */
export async function openEmbedded(makeStore: MakeStore, options: object = {}): Promise<Embedded> {
  const clock = new HandClock(1_760_000_000_000);
  const own = await makeStore();
  const store = await own.open({ chain: new FakeAuditChain(), clock, mode: 'development' });
  const keyring = new Keyring(generateRootKey());
  const connection = openBackend({ store, keyring, installation: 'in_test', clock }).provider;
  const provider = connection.mount({ prefix: 'app', ...options });
  const writes = provider.writes!;
  const commit = async (staged: Promise<StagedWrite>): Promise<Outcome> =>
    store.commit((await staged).fragment);
  return {
    store,
    clock,
    keyring,
    provider,
    writes,
    mount: (given) => connection.mount(given),
    commit,
    async put(path, data, ifVersion) {
      const staged = await writes.put(path, data, ifVersion, {
        author: 'operator:ann',
        method: 'put',
      });
      const outcome = await store.commit(staged.fragment);
      if (outcome.status !== 'committed') throw new Error(outcome.status);
      return staged.version;
    },
    value: async (path, version) => (await provider.read(path, version, CONTEXT)).data,
    async tamper(write) {
      const { status } = await store.commit({ writes: [write] });
      if (status !== 'committed') throw new Error(status);
    },
    rows: (table) => store.list(allRows(table), { limit: 1000 }),
    async close() {
      await store.close();
      await own.remove();
    },
  };
}
