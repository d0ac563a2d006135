import { readFile } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';
import { requireCertificate, type TlsIdentity } from '../../net/https/tls-identity.ts';
import type { TlsFiles } from './config.ts';

/**
 * Reads the certificate at each connection, so that a renewed one needs no restart. @throws ERR_PROVIDER_UNAVAILABLE,
 * reason `tls`.
 */
export async function readTlsIdentity(files: TlsFiles): Promise<TlsIdentity> {
  try {
    return {
      ...(files.caFile !== undefined && {
        ca: requireCertificate(await readFile(files.caFile, 'utf8')),
      }),
      ...(files.certFile !== undefined && { cert: await readFile(files.certFile, 'utf8') }),
      ...(files.keyFile !== undefined && { key: await readFile(files.keyFile, 'utf8') }),
      ...(files.serverName !== undefined && { serverName: files.serverName }),
    };
  } catch (cause) {
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause, reason: 'tls' });
  }
}
