import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import {
  generateSigningKey,
  loadSigningKey,
  type SigningKey,
} from '../../crypto/signatures/signing.ts';
import { BrokerError } from '../../domain/errors.ts';
import { createDurably } from '../base/durable-file.ts';

const OTHERS = 0o077;
const LONGEST_FILE = 4096;

function refused(path: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError('ERR_CONFIG_INVALID', `log key file ${path}: ${why}`, { cause });
}

/**
 * Creates the log's Ed25519 key in a new file of mode 0600 (PKCS #8 PEM), or writes the given key there.
 * @throws ERR_CONFIG_INVALID if the file exists or cannot be created.
 */
export async function createLogKeyFile(
  path: string,
  key = generateSigningKey(),
): Promise<SigningKey> {
  await createDurably(path, key.exportPem()).catch((cause: unknown) => {
    throw refused(path, 'cannot be created; an existing key is never replaced', cause);
  });
  return key;
}

/** @throws ERR_CONFIG_INVALID for a symbolic link, a mode that gives others access, or content other than one Ed25519 key. */
export async function loadLogKeyFile(path: string): Promise<SigningKey> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw isMissing
      ? refused(
          path,
          'does not exist; create the missing keys and the store with: quaymaster init',
          cause,
        )
      : refused(path, 'cannot be opened', cause);
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS) !== 0) throw refused(path, 'is open to other users; set mode 0600');
    if (size > LONGEST_FILE) throw refused(path, 'is too long for a key');
    return loadSigningKey(await file.readFile('utf8'));
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    throw refused(path, 'is not one Ed25519 private key in PEM', cause);
  } finally {
    await file.close();
  }
}
