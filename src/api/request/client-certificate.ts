import type { TLSSocket } from 'node:tls';
import type { PresentedChain } from '../../ports/workload-authenticator.ts';
import type { Exchange } from './exchange.ts';

const LONGEST_CHAIN = 8;

/**
 * The certificates that the client of this connection proved to hold, the leaf first. Undefined in these cases:
 * - The listener could not verify them. With `clientAuth: optional` such a connection is open all the same.
 * - The session was resumed, so the client proved nothing. The listener gives out no tickets, and this does not depend on it.
 * - The peer is a trusted proxy: its certificate would make every client behind it the proxy.
 * No header counts (HS05): anybody can write one.
 */
export function provenChain({ request, peer }: Exchange): PresentedChain | undefined {
  const { socket } = request;
  if (!isTls(socket) || !socket.authorized || socket.isSessionReused() || peer.isTrusted) {
    return undefined;
  }
  const chain: Buffer[] = [];
  let current = socket.getPeerCertificate(true);
  // A self-signed authority is its own issuer. Without a certificate the object is empty.
  while (chain.length < LONGEST_CHAIN && Buffer.isBuffer(current.raw)) {
    chain.push(current.raw);
    if (current.issuerCertificate === current) break;
    const { issuerCertificate } = current as Partial<typeof current>;
    if (issuerCertificate === undefined) break;
    current = issuerCertificate;
  }
  return chain.length === 0 ? undefined : chain;
}

function isTls(socket: object): socket is TLSSocket {
  return 'encrypted' in socket;
}
