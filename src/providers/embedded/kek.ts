import { lstat, open as openFile, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import { randomBytes } from '../../crypto/random/random.ts';
import {
  importSecretKey,
  isDegenerate,
  SECRET_KEY_BYTES,
  type SecretKey,
} from '../../crypto/random/secret-key.ts';
import { BrokerError } from '../../domain/errors.ts';
import { decrypt, encrypt } from '../../crypto/aead/aead.ts';
import { localFileData, localFileInfo } from '../../crypto/aead/associated-data.ts';
import { deriveBytes, deriveKey } from '../../crypto/keys/derived-keys.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';

const HEADER = 'quaymaster-kek-v1';
/** Size of a key file: header, newline, 44 characters of base64, newline. */
const FILE_BYTES = HEADER.length + 46;
const OWNER_ONLY = 0o600;
const GROUP_AND_OTHERS = 0o077;
const ROOT_UID = 0;

/** Key file, and the directory that must not contain it: the store's, and so its backups'. */
export interface KeyFileLocation {
  readonly path: string;
  readonly dataDirectory?: string | undefined;
}

/** The checked facts of a file's status. */
export interface FileFacts {
  readonly mode: number;
  readonly uid: number;
  readonly regular: boolean;
}

/**
 * Gives the reason why a key file is refused, or undefined. `link` is the name itself, which may be a symbolic link to
 * `file`.
 */
export function keyFileProblem(
  file: FileFacts,
  link: Pick<FileFacts, 'uid'>,
  ownUid: number,
): string | undefined {
  const trusted = (uid: number): boolean => uid === ownUid || uid === ROOT_UID;
  if (!file.regular) return 'must be a regular file';
  if ((file.mode & GROUP_AND_OTHERS) !== 0)
    return 'must not be accessible to group or others (mode 0600 or 0400)';
  if (!trusted(file.uid)) return 'must belong to this user or to root';
  return trusted(link.uid) ? undefined : 'is reached by a symbolic link of another user';
}

/**
 * Creates a new key of 256 random bits, mode 0600. If the file is lost, so is every secret under it.
 * @throws ERR_CONFIG_INVALID if the file exists or is in the data directory; ERR_SEALED if it cannot be written.
 */
export async function createKeyFile({ path, dataDirectory }: KeyFileLocation): Promise<void> {
  const directory = await resolvePath(dirname(path));
  await refuseInside(join(directory, basename(path)), dataDirectory);
  const key = randomBytes(SECRET_KEY_BYTES);
  const file = await openFile(path, 'wx', OWNER_ONLY).catch((cause: unknown) => {
    throw isExisting(cause)
      ? refused('exists already and is never overwritten')
      : unreachable(cause);
  });
  try {
    await file.writeFile(`${HEADER}\n${key.toString('base64')}\n`).catch(failSealed);
    await file.sync().catch(failSealed);
  } finally {
    key.fill(0);
    await file.close();
  }
  await syncDirectory(directory).catch(failSealed);
}

/** @throws ERR_SEALED if the file cannot be read; ERR_CONFIG_INVALID if it is not trusted or not a key. */
export async function readKeyFile({ path, dataDirectory }: KeyFileLocation): Promise<SecretKey> {
  await refuseInside(await resolvePath(path), dataDirectory);
  const bytes = await readTrusted(path);
  const key = parseKey(bytes);
  bytes.fill(0);
  return importSecretKey(key);
}

async function readTrusted(path: string): Promise<Buffer> {
  const link = await lstat(path).catch(failSealed);
  const file = await openFile(path, 'r').catch(failSealed);
  try {
    // Checks the opened file instead of the name: the name may change between two checks.
    const status = await file.stat();
    const facts = { mode: status.mode, uid: status.uid, regular: status.isFile() };
    const problem = keyFileProblem(facts, link, process.getuid?.() ?? status.uid);
    if (problem !== undefined) throw refused(problem);
    if (status.size !== FILE_BYTES)
      throw refused(`must be the ${FILE_BYTES} bytes of a ${HEADER} file`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function parseKey(bytes: Buffer): Buffer {
  const [header, encoded = '', end, ...more] = bytes.toString('latin1').split('\n');
  const key = decodeBase64(encoded);
  if (header !== HEADER || end !== '' || more.length > 0 || key?.length !== SECRET_KEY_BYTES) {
    throw refused(`must be a ${HEADER} line and 32 bytes in base64`);
  }
  if (isDegenerate(key)) throw refused('holds a key that repeats itself');
  return key;
}

async function refuseInside(path: string, directory: string | undefined): Promise<void> {
  if (directory === undefined) return;
  const way = relative(await resolvePath(directory), path);
  const inside = !isAbsolute(way) && way !== '..' && !way.startsWith('../');
  if (inside)
    throw refused('must lie outside the data directory, or every backup holds the key to itself');
}

function resolvePath(path: string): Promise<string> {
  return realpath(path).catch(failSealed);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await openFile(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isExisting(cause: unknown): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'EEXIST';
}

function refused(problem: string): BrokerError {
  return new BrokerError('ERR_CONFIG_INVALID', `the key-encryption key file ${problem}`);
}

function unreachable(cause: unknown): BrokerError {
  return new BrokerError('ERR_SEALED', undefined, { cause });
}

function failSealed(cause: unknown): never {
  throw unreachable(cause);
}

const ID_BYTES = 16;

/** A key-encryption key in the memory of this process, read once from its file; internals/spec/root-keys-v1.md. */
export class LocalFileKey implements KeyEncryptionKey {
  /** Id of the key: `local-file:` and 128 bits derived from the key. They distinguish keys and reveal nothing about them. */
  readonly id: string;
  readonly #key: SecretKey;

  constructor(material: SecretKey) {
    this.id = `local-file:${deriveBytes(material, localFileInfo('id')).toString('hex', 0, ID_BYTES)}`;
    this.#key = deriveKey(material, localFileInfo('wrap'));
  }

  async wrap(plaintext: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(encrypt(this.#key, plaintext, localFileData(associatedData)));
  }

  async unwrap(wrapped: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(decrypt(this.#key, wrapped, localFileData(associatedData)));
  }
}

/** @throws ERR_SEALED if the file cannot be read; ERR_CONFIG_INVALID if it is not trusted or not a key. */
export async function loadLocalFileKey(location: KeyFileLocation): Promise<LocalFileKey> {
  return new LocalFileKey(await readKeyFile(location));
}
