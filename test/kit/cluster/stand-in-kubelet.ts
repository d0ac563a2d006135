import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { CertificateAuthority } from '../network/certificates.ts';

/** An address for documentation (RFC 5737): the API server passes nothing on to a loopback address, and the proxy connects to this kubelet instead. */
const NODE_ADDRESS = '192.0.2.10';

/** Answers each request to a node with 200. The API server reaches it through a proxy for egress. */
export class StandInKubelet {
  /** The configuration of the API server, for `--egress-selector-config-file`. */
  readonly egress: object;
  /** Paths of the requests, as they arrived. */
  readonly paths: readonly string[];
  readonly #close: () => void;

  private constructor(udsName: string, paths: readonly string[], close: () => void) {
    this.paths = paths;
    const transport = { uds: { udsName } };
    this.egress = {
      apiVersion: 'apiserver.k8s.io/v1beta1',
      kind: 'EgressSelectorConfiguration',
      egressSelections: [
        { name: 'cluster', connection: { proxyProtocol: 'HTTPConnect', transport } },
      ],
    };
    this.#close = close;
  }

  /** Listens for the API server on a new Unix socket. */
  static async listen(socket: string): Promise<StandInKubelet> {
    const paths: string[] = [];
    const own = new CertificateAuthority().issue({ commonName: 'kubelet' });
    const kubelet = createHttps({ ...own, maxHeaderSize: 1 << 20 }, (incoming, answer) => {
      paths.push(incoming.url?.split('?', 1)[0] ?? '');
      answer.end();
    });
    kubelet.listen(0, '127.0.0.1');
    await once(kubelet, 'listening');
    const { port } = kubelet.address() as AddressInfo;
    const proxy = createHttp().on('connect', (_incoming, outer) => {
      const inner = connect(port, '127.0.0.1', () => {
        outer.write('HTTP/1.1 200 OK\r\n\r\n');
        outer.pipe(inner).pipe(outer);
      });
      outer.on('error', () => inner.destroy());
      inner.on('error', () => outer.destroy());
    });
    proxy.listen(socket);
    await once(proxy, 'listening');
    return new StandInKubelet(socket, paths, () => {
      for (const server of [proxy, kubelet]) server.close();
      kubelet.closeAllConnections();
    });
  }

  /** The status of its node. */
  get nodeStatus(): object {
    return {
      addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    };
  }

  close(): void {
    this.#close();
  }
}
