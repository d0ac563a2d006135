import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RotationConnection } from '../../../src/ports/rotation-target.ts';
import type { RotationFixture } from '../../contract/rotation-target.contract.ts';

/** An existing credential at a real target. */
export type MadeCredential = Omit<RotationFixture, 'target' | 'restart'>;

/** A credential as the configuration file and a definition name it, before it exists. */
export interface RotationSetup<Made extends MadeCredential = MadeCredential> {
  /** A connection for the configuration file. */
  readonly connection: Readonly<Record<string, unknown>>;
  readonly strategy: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly make: () => Promise<Made>;
}

/** The place for the contract suite. It attaches first, so that an invalid name is refused before the credential is created. */
export async function fixtureAt<Made extends MadeCredential>(
  { connection, strategy, options, make }: RotationSetup<Made>,
  connect: (connection: RotationSetup['connection']) => Promise<RotationConnection>,
): Promise<Made & RotationFixture> {
  const restart = async () => (await connect(connection)).target(strategy, options);
  const target = await restart();
  return { ...(await make()), target, restart };
}

/** A file that only its owner can read, in its own directory. */
export async function privateFile(
  text: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-private-'));
  const path = join(directory, 'text');
  await writeFile(path, text, { mode: 0o600 });
  return { path, remove: () => rm(directory, { recursive: true }) };
}
