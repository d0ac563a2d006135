import type { CallContext } from '../../../ports/call-context.ts';
import type { VaultClient } from './client.ts';
import type { VaultRequest } from './transport.ts';
import { providerError } from '../errors.ts';

/** The server for the mounts of one connection; failures name the connection. */
export class VaultCalls {
  readonly client: VaultClient;
  readonly connection: string;

  constructor(client: VaultClient, connection: string) {
    this.client = client;
    this.connection = connection;
  }

  /** @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
  read(request: VaultRequest, context: CallContext): Promise<unknown> {
    return this.client.read(request, context).catch((error: unknown) => this.fail(error));
  }

  /** @throws as `read`. */
  effect(request: VaultRequest, context: CallContext): Promise<unknown> {
    return this.client.effect(request, context).catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): never {
    throw providerError(this.connection, error);
  }
}
