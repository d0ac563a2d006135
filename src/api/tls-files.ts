import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { BrokerError } from '../domain/errors.ts';

/** Certificate chain and key, PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws ERR_CONFIG_INVALID if a file cannot be read or the two do not belong together. */
export async function readTlsFiles(files: {
  readonly certificateFile: string;
  readonly keyFile: string;
}): Promise<TlsMaterial> {
  try {
    const cert = await readFile(files.certificateFile);
    const key = await readFile(files.keyFile);
    createSecureContext({ cert, key, minVersion: 'TLSv1.3' });
    return { cert, key };
  } catch (cause) {
    const detail = `${files.certificateFile} and ${files.keyFile} cannot be used as certificate and key`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
  }
}
