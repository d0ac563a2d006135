import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertificateAuthority } from '../network/certificates.ts';
import type { User } from './unprivileged-user.ts';

/** PEM files: the server's certificate, its key (readable only by `user`), and the authority that signed it. */
interface ServerCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** The name in every server's certificate, besides 127.0.0.1. */
const SERVER_NAME = 'localhost';

// Servers that `npm run backends start` leaves running live for days.
const A_YEAR_MS = 365 * 86_400_000;

/** Writes a certificate for a server on 127.0.0.1 into its directory. */
export async function writeServerCertificate(
  directory: string,
  user?: User,
): Promise<ServerCertificate> {
  const notAfter = new Date(Date.now() + A_YEAR_MS);
  const authority = new CertificateAuthority('Quaymaster test servers', notAfter);
  const { cert, key } = authority.issue({
    commonName: SERVER_NAME,
    dnsNames: [SERVER_NAME],
    ipAddresses: ['127.0.0.1'],
    notAfter,
  });
  const files = {
    certFile: join(directory, 'server.crt'),
    keyFile: join(directory, 'server.key'),
    caFile: join(directory, 'ca.crt'),
  };
  await writeFile(files.certFile, cert);
  await writeFile(files.caFile, authority.cert);
  await writeFile(files.keyFile, key, { mode: 0o600 });
  if (user !== undefined) await chown(files.keyFile, user.uid, user.gid);
  return files;
}
