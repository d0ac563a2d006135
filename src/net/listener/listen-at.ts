import type { AddressInfo, Server } from 'node:net';
import { BrokerError } from '../../domain/errors.ts';

export interface ListeningPlace {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** @returns the address it listens at. @throws ERR_CONFIG_INVALID when it cannot. */
export async function listenAt(
  server: Server,
  { host, port }: ListeningPlace,
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
