import { wrappedLogKeyIn } from '../../features/copies/wrapped-log-key.ts';
import type { OpenLogKey } from '../restore/restore.ts';
import { loadLogKeyFile } from '../../audit/records/log-key.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';
import { logKeyOf } from '../../crypto/keys/root-keys.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';
import { BrokerError } from '../../domain/errors.ts';
import { systemClock } from '../../process/clock.ts';
import type { Config } from '../config/schema.ts';
import { openWrappers } from './keys.ts';

/** The log key that the store keeps. @throws ERR_CONFIG_INVALID if it keeps none: a new key would prove nothing about the log */
export function requireLogKey({ logKey }: Pick<InstallationKeys, 'logKey'>): SigningKey {
  if (logKey !== undefined) return logKey;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    'audit.logKey is "store", and the store has no log key: set audit.logKeyFile to the file of the key; to move it into the store, run: quaymaster log-key to-store',
  );
}

/** The log key of an installation: of its file, or of the store that `keys` opens. @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function loadLogKey(
  { audit }: Pick<Config, 'audit'>,
  keys: () => Promise<Pick<InstallationKeys, 'logKey'>>,
): Promise<SigningKey> {
  return audit.logKeyFile === undefined
    ? requireLogKey(await keys())
    : loadLogKeyFile(audit.logKeyFile);
}

/** Opens the log key for a backup, whose store is not open yet: from its file, or from the manifest by a key-encryption key. */
export function logKeyOpener(config: Config): OpenLogKey {
  return async (manifest) => {
    const { logKeyFile } = config.audit;
    if (logKeyFile !== undefined) return loadLogKeyFile(logKeyFile);
    const { installation, logKey } = wrappedLogKeyIn(manifest);
    const wrappers = await openWrappers(config, systemClock);
    const bytes = (text: string): Uint8Array => Buffer.from(text, 'base64');
    const wraps = logKey.wraps.map(({ kek, wrapped }) => ({
      root_key_id: logKey.id,
      kek_id: kek,
      wrapped: bytes(wrapped),
      created_at: 0,
    }));
    const row = { id: logKey.id, commitment: bytes(logKey.commitment) };
    return logKeyOf(await wrappers.unwrap(row, wraps, installation));
  };
}
