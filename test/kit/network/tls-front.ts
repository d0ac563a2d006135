import { connect, type AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { CertificateAuthority } from './certificates.ts';

/** TLS before a broker that listens without TLS on loopback, with its own authority. */
export class TlsFront {
  readonly caPem: string;
  readonly url: string;
  readonly #server: Server;

  private constructor(caPem: string, server: Server) {
    this.caPem = caPem;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
  }

  static async listen(targetPort: number): Promise<TlsFront> {
    const authority = new CertificateAuthority();
    const own = authority.issue({ commonName: 'broker', ipAddresses: ['127.0.0.1'] });
    const server = createServer({ ...own, minVersion: 'TLSv1.3' }, (socket) => {
      const inner = connect(targetPort, '127.0.0.1');
      socket.pipe(inner).pipe(socket);
      socket.on('error', () => inner.destroy());
      inner.on('error', () => socket.destroy());
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return new TlsFront(authority.cert, server);
  }

  close(): void {
    this.#server.close();
  }
}
