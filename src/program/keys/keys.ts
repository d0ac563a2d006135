import { dirname } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';
import { openKek } from '../config/backends.ts';
import type { Config } from '../config/schema.ts';
import { RootKeyWrappers, type UnopenedKek } from '../../broker/keys/root-key-wrappers.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { SECRET_KEY_BYTES } from '../../crypto/random/secret-key.ts';
import { randomBytes, randomId } from '../../crypto/random/random.ts';

const DEADLINE_MS = 10_000;

/** The directory of the store's files; undefined for a database server. Key files must be outside it. */
export function dataDirectory(config: Config): string | undefined {
  return config.store.type === 'sqlite' ? dirname(config.store.path) : undefined;
}

/**
 * The key-encryption keys of the configuration. If one of two cannot be opened, the other one serves.
 * @throws ERR_CONFIG_INVALID for a key that is not one; ERR_SEALED if none can be opened
 */
export async function openWrappers(config: Config, clock: Clock): Promise<RootKeyWrappers> {
  const opened: KeyEncryptionKey[] = [];
  const missing: UnopenedKek[] = [];
  let failure: BrokerError | undefined;
  for (const name of ['kek', 'secondKek'] as const) {
    const own = config[name];
    if (own === undefined) continue;
    const open = (): Promise<KeyEncryptionKey> =>
      openKek(own, { clock, dataDirectory: dataDirectory(config) });
    try {
      opened.push(await open());
    } catch (error) {
      failure = BrokerError.from(error);
      if (failure.code !== 'ERR_SEALED') throw failure;
      missing.push({ name: `${own.type} (${name})`, open });
    }
  }
  if (opened.length === 0) throw failure ?? new BrokerError('ERR_SEALED');
  return new RootKeyWrappers(opened, clock, missing);
}

/** Wraps and unwraps a random text with the key-encryption key. @returns its id @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID */
export async function tryKek(config: Config, clock: Clock): Promise<string> {
  const kek = await openKek(config.kek, { clock, dataDirectory: dataDirectory(config) });
  const text = randomBytes(SECRET_KEY_BYTES);
  const purpose = Buffer.from('quaymaster doctor');
  await atStart(clock, async (context) => {
    const wrapped = await kek.wrap(text, purpose, context);
    const unwrapped = await kek.unwrap(wrapped, purpose, context);
    if (!constantTimeEqual(unwrapped, text)) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  });
  return kek.id;
}

function atStart<T>(clock: Clock, work: (context: CallContext) => Promise<T>): Promise<T> {
  const requestId = randomId('req');
  return withDeadline(clock, DEADLINE_MS, (signal) => work({ requestId, signal }));
}
