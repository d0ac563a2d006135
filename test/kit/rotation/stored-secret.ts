import { randomId } from '../../../src/crypto/random/random.ts';
import {
  openSlot,
  type RotationRow,
  type ScheduleRow,
} from '../../../src/rotation/rotation-row.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { beginLog } from '../../../src/program/log/audit-trail.ts';
import { loadKeys, type InstallationKeys } from '../../../src/broker/keys/installation-keys.ts';
import { openWrappers } from '../../../src/program/keys/keys.ts';
import { loadConfig } from '../../../src/program/config/load.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { SecretProvider } from '../../../src/ports/secret-provider.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { openStore } from '../../../src/store/index.ts';
import { listRows } from '../store/table-rows.ts';

/** A store's data about one path, with the current value if it is below `own`: every value with which a recovered broker could log in. */
export interface StoredSecret {
  readonly current: SecretData | undefined;
  /** The pending value of the rotation in progress. */
  readonly pending: SecretData | undefined;
  readonly schedule: ScheduleRow | undefined;
  /** Newest last. */
  readonly rotations: readonly RotationRow[];
  /** Steps of all rotations, as `step outcome`. */
  readonly steps: readonly string[];
}

/** Reads the store of a stopped broker with the keys of its installation. */
export async function storedSecret(configFile: string, path: string): Promise<StoredSecret> {
  const [stored] = await storedSecrets(configFile, [path]);
  return stored!;
}

export async function storedSecrets(
  configFile: string,
  paths: readonly string[],
): Promise<readonly StoredSecret[]> {
  const config = await loadConfig(configFile);
  const { chain } = await beginLog(config, systemClock);
  const store = await openStore(config.store, { chain, clock: systemClock, mode: config.mode });
  try {
    const keys = await loadKeys(store, await openWrappers(config, systemClock));
    const embedded = openEmbedded({ store, clock: systemClock, ...keys }).provider;
    const provider = embedded.mount({ prefix: 'own' });
    return await Promise.all(paths.map((path) => storedAt(store, { keys, provider, path })));
  } finally {
    await store.close();
  }
}

async function storedAt(
  store: Store,
  {
    keys,
    provider,
    path,
  }: { readonly keys: InstallationKeys; readonly provider: SecretProvider; readonly path: string },
): Promise<StoredSecret> {
  const rotations = await listRows(store, 'rotations', {
    equals: { path },
    orderBy: ['created_at'],
    limit: 1_000,
  });
  const active = rotations.find(({ pending }) => pending !== null);
  return {
    current: await currentBelow(provider, path),
    pending: active && openSlot(keys, active, 'pending'),
    schedule: await store.get('rotation_schedules', { path }),
    rotations,
    steps: await stepsOf(store, rotations),
  };
}

async function currentBelow(own: SecretProvider, path: string): Promise<SecretData | undefined> {
  if (!path.startsWith('own/')) return undefined;
  const context = { requestId: randomId('req'), signal: AbortSignal.timeout(60_000) };
  return own.read(own.locate(path.slice('own/'.length)), undefined, context).then(
    ({ data }) => data,
    () => undefined,
  );
}

async function stepsOf(store: Store, rotations: readonly RotationRow[]): Promise<string[]> {
  const all: string[] = [];
  for (const { id } of rotations) {
    const rows = await listRows(store, 'rotation_steps', {
      equals: { rotation_id: id },
      orderBy: ['seq'],
      limit: 1_000,
    });
    all.push(...rows.map(({ step, outcome }) => `${step} ${outcome}`));
  }
  return all;
}
