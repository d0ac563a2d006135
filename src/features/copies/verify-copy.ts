import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { storedIdentity } from '../../audit/log/log-origin.ts';
import { readRoot, storedCheckpoint } from '../../audit/log/stored-tree.ts';
import { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditChain } from '../../ports/audit-chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import { ROOT_KEYS } from '../../ports/queries.ts';
import { openSqliteStore } from '../../store/sqlite/open-sqlite-store.ts';
import { checkRows, manifestDigests } from '../../store/guard/state-check.ts';
import type { OpenedStore } from '../../store/index.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import type { StoreMode } from '../../store/store-deps.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';
import type { BackupManifest } from './manifest.ts';

export interface CopyDeps {
  readonly identity: LogIdentity;
  readonly mode: StoreMode;
  readonly clock: Clock;
  /** Creates the guard of the rows of the copy. */
  readonly createGuard: () => RowGuard;
  /** Opens the root keys of the copy. */
  readonly keys: (copy: Store) => Promise<InstallationKeys>;
}

export type VerifiedCopy = Pick<
  BackupManifest,
  'installation' | 'checkpoint' | 'rootKeys' | 'digests'
>;

/**
 * Verifies a copy of the store as a start would: pages, schema, the end of the log, all rows against their digests.
 * @throws ERR_CIPHERTEXT_INVALID with the problems, ERR_STORE_UNAVAILABLE for damaged pages.
 */
export async function verifyCopy(path: string, deps: CopyDeps): Promise<VerifiedCopy> {
  const { mode, clock } = deps;
  const guard = deps.createGuard();
  const copy = await openSqliteStore(
    { path, ballastBytes: 0 },
    { chain: NO_CHAIN, clock, mode, guard },
  );
  try {
    return await verifyStore(copy, guard, deps);
  } finally {
    await copy.close();
  }
}

/** Verifies an open store, which may be in use. @throws ERR_CIPHERTEXT_INVALID with the problems */
export async function verifyStore(
  copy: OpenedStore,
  guard: RowGuard,
  { identity, keys }: Pick<CopyDeps, 'identity' | 'keys'>,
): Promise<VerifiedCopy> {
  if (copy.condition.differences.length > 0) throw wrong(copy.condition.differences);
  const { installation, keyring } = await keys(copy);
  guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
  guard.enforce();
  const { verifier } = await storedIdentity(copy, identity);
  const checkpoint = await storedCheckpoint(copy, verifier);
  if (checkpoint === undefined) throw wrong(['the log has no checkpoint']);
  const root = await readRoot(copy, checkpoint.size);
  if (!constantTimeEqual(root, checkpoint.root))
    throw wrong(['the log differs from its checkpoint']);
  const problems = await checkRows(copy, guard);
  if (problems.length > 0) throw wrong(problems.map(({ what }) => what));
  const rootKeys = await copy.list(ROOT_KEYS.byAge(), { limit: 1_000 });
  return {
    installation,
    checkpoint: checkpoint.note,
    rootKeys: rootKeys.map(({ id }) => id),
    digests: await manifestDigests(copy, guard),
  };
}

function wrong(what: readonly string[]): BrokerError {
  return new BrokerError(
    'ERR_CIPHERTEXT_INVALID',
    `the copy is not a valid store: ${what.join('; ')}`,
  );
}

/** A copy is only read. */
export const NO_CHAIN: AuditChain = {
  stage() {
    throw new TypeError('a copy of the store is not written');
  },
  keep: () => undefined,
  drop: () => undefined,
};
