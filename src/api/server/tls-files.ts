import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { BrokerError } from '../../domain/errors.ts';
import { requireCertificate } from '../../net/https/tls-identity.ts';

/** Certificate chain and key, as PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities of client certificates. */
  readonly ca?: string;
}

/** @throws ERR_CONFIG_INVALID if the file has no certificate: the listener would trust every public authority. */
async function clientAuthorities(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return requireCertificate(await readFile(file, 'utf8'));
  } catch (cause) {
    const detail = `${file} cannot be used as authorities of client certificates`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
  }
}

/** @throws ERR_CONFIG_INVALID if a file cannot be read or the two do not belong together. */
export async function readTlsFiles(files: {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string | undefined;
}): Promise<TlsMaterial> {
  try {
    const cert = await readFile(files.certificateFile);
    const key = await readFile(files.keyFile);
    const ca = await clientAuthorities(files.clientCaFile);
    const material = { cert, key, ...(ca !== undefined && { ca }) };
    createSecureContext({ ...material, minVersion: 'TLSv1.3' });
    return material;
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    const detail = `${files.certificateFile} and ${files.keyFile} cannot be used as certificate and key`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
  }
}
