import type { AddressInfo, Server } from 'node:net';
import { BrokerError } from '../../domain/errors.ts';

export interface ListenAddress {
  readonly host: string;
  /** The port; 0 selects any free port. */
  readonly port: number;
}

/** @returns the address of the server. @throws ERR_CONFIG_INVALID if it cannot listen there. */
export async function listenAt(
  server: Server,
  { host, port }: ListenAddress,
): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const fail = (cause: NodeJS.ErrnoException): void => {
    const why =
      cause.code === 'EADDRINUSE'
        ? ': another process uses the port; choose another one in the configuration, or with quaymaster dev --port'
        : '';
    reject(
      new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${host}:${port}${why}`, { cause }),
    );
  };
  server.once('error', fail);
  server.listen(port, host, () => resolve(undefined));
  await promise;
  server.off('error', fail);
  return server.address() as AddressInfo;
}
