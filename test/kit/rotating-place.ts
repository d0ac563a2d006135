import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RotationConnection } from '../../src/ports/rotation-target.ts';
import type { RotationFixture } from '../contract/rotation-target.contract.ts';

/** A credential at a real target as it is there. */
export type MadeCredential = Omit<RotationFixture, 'target' | 'restart'>;

/** A credential as the configuration file and a definition name it, before it is there. */
export interface RotatingPlace<Made extends MadeCredential = MadeCredential> {
  /** A connection as the configuration file has it. */
  readonly connection: Readonly<Record<string, unknown>>;
  readonly strategy: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly make: () => Promise<Made>;
}

/** The place as the contract suite has it: attached first, so that what cannot be named is refused before it is made. */
export async function fixtureAt<Made extends MadeCredential>(
  { connection, strategy, options, make }: RotatingPlace<Made>,
  connect: (connection: RotatingPlace['connection']) => Promise<RotationConnection>,
): Promise<Made & RotationFixture> {
  const restart = async () => (await connect(connection)).target(strategy, options);
  const target = await restart();
  return { ...(await make()), target, restart };
}

/** A file that only its owner reads, in a directory of its own. */
export async function privateFile(
  text: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-private-'));
  const path = join(directory, 'text');
  await writeFile(path, text, { mode: 0o600 });
  return { path, remove: () => rm(directory, { recursive: true }) };
}
