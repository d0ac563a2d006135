import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { connectVault, type VaultClient } from '../../../src/providers/vault/client/client.ts';
import { vaultAt } from '../../../src/providers/vault/open.ts';
import { vaultConnectionSchema } from '../../../src/providers/vault/config.ts';
import { closableProvider, type ClosableProvider } from './closable-provider.ts';
import { PATIENT } from './longest-timeout.ts';

/** An opened connection, and its client. */
export type VaultConnection = ClosableProvider & { readonly client: VaultClient };

/** Connections to one server, each with its own token file; `close` closes all of them. */
export class VaultConnections {
  readonly #directory: string;
  readonly #open: VaultConnection[] = [];
  #files = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<VaultConnections> {
    return new VaultConnections(await mkdtemp(join(tmpdir(), 'vault-connections-')));
  }

  async file(content: string): Promise<string> {
    this.#files += 1;
    const path = join(this.#directory, `credential-${this.#files}`);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  async connect(
    address: string,
    token: string,
    { limits, ...more }: Readonly<Record<string, unknown>> = {},
    clock: Clock = systemClock,
  ): Promise<VaultConnection> {
    const config = vaultConnectionSchema.parse({
      type: 'vault',
      address,
      auth: { method: 'token', tokenFile: await this.file(`${token}\n`) },
      locators: ['secret/**'],
      limits: { ...PATIENT, ...(limits as object) },
      ...more,
    });
    const client = await connectVault(config, { clock, connection: 'vault', random: Math.random });
    const opened = vaultAt('vault-test', client, clock);
    const connection = { ...closableProvider(opened), client };
    this.#open.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((connection) => connection.close()));
    await rm(this.#directory, { recursive: true });
  }
}
