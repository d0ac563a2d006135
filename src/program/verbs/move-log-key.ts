import { createLogKeyFile } from '../../audit/records/log-key.ts';
import { planLogKeyIn, planLogKeyOut } from '../../broker/keys/installation-keys.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Plan, Store } from '../../ports/store.ts';
import { systemClock } from '../../process/clock.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import type { Config } from '../config/schema.ts';
import { requireLogKey } from '../keys/log-key.ts';
import { startUnlessHeld, withStoppedLog, type StoppedLog } from './stopped-log.ts';

/**
 * Wraps the log key of the configured file and puts it into the store of a stopped broker. The file stays. A key that did not sign the log of the store is
 * refused. @throws ERR_CONFIG_INVALID, ERR_CONFLICT, ERR_HELD, ERR_SEALED
 */
export async function moveLogKeyToStore(path: string): Promise<string> {
  const config = await loadConfig(path);
  const file = config.audit.logKeyFile;
  if (file === undefined) throw new BrokerError('ERR_CONFLICT', IN_STORE);
  if (config.kek.type === 'local-file') throw new BrokerError('ERR_CONFIG_INVALID', FILE_KEK);
  await inStore(config, async ({ store, keys, identity }) => {
    const logKey = identity.signer.key;
    const { id, ...plan } = await planLogKeyIn(store, keys, { logKey, clock: systemClock });
    await commit(store, plan, { action: 'key.wrap', id });
  });
  return [
    'the store keeps the log key now, wrapped by the key-encryption key',
    `next: replace audit.logKeyFile by "logKey: store" in the configuration of every replica, start the broker, then delete ${file} and its copies`,
  ].join('\n');
}

/**
 * Writes the log key of the store of a stopped broker to a new file, and removes it from the store. @throws ERR_CONFIG_INVALID if the file exists, ERR_CONFLICT,
 * ERR_HELD, ERR_SEALED
 */
export async function moveLogKeyToFile(file: string, path: string): Promise<string> {
  const config = await loadConfig(path);
  if (config.audit.logKeyFile !== undefined) throw new BrokerError('ERR_CONFLICT', IN_FILE);
  await inStore(config, async ({ store, keys }) => {
    const { id, ...plan } = await planLogKeyOut(store, keys);
    await createLogKeyFile(file, requireLogKey(keys));
    await commit(store, plan, { action: 'key.unwrap', id });
  });
  return [
    `wrote the log key to ${file}; the store no longer keeps it`,
    `next: replace "logKey: store" by "logKeyFile: ${file}" in the configuration, give the file to every replica, and start the broker`,
  ].join('\n');
}

const IN_STORE = 'audit.logKey is "store": the store keeps the log key already';
const IN_FILE =
  'audit.logKeyFile names the log key: it is in a file already. To move it into the store, run: quaymaster log-key to-store';
const FILE_KEK =
  'the key-encryption key is a file, so the log key would be no safer in the store: first move the key-encryption key to Vault or AWS KMS, as in docs/operations.md';

/** Opens the store of a stopped broker as a start does, so that a wrong key is refused, and records that. */
function inStore(config: Config, work: (opened: StoppedLog) => Promise<void>): Promise<void> {
  refuseOpenProcess(config);
  return withStoppedLog(config, { done: 'log_key_moved' }, async (opened) => {
    await startUnlessHeld(opened.trail, 'the log key stays where it is');
    await work(opened);
  });
}

async function commit(
  store: Store,
  plan: Plan,
  { action, id: name }: { readonly action: 'key.wrap' | 'key.unwrap'; readonly id: string },
): Promise<void> {
  const actor = new SystemActor({ clock: systemClock, digest: sha256Hex }, 'log-key');
  const document = { kind: 'log-key', name };
  const entries = [actor.entry({ action, outcome: 'ok', cause: 'moved', document })];
  const { status } = await store.commit({ ...plan, entries });
  if (status !== 'committed')
    throw new BrokerError('ERR_CONFLICT', 'the keys of the store changed meanwhile: run it again');
}
