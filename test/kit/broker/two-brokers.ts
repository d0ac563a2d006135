import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { createDatabase } from '../backends/postgres.ts';
import { AttackedInstallation } from '../log/attacked-installation.ts';

interface TwoBrokers {
  readonly brokers: readonly [Serving, Serving];
  /** Token of an admin. */
  readonly token: string;
  /** Removes both, in order, and their database. */
  readonly remove: () => Promise<void>;
}

/** Starts two brokers in this process on one PostgreSQL database, with the same keys. `more` is called once for each. */
export async function startTwoBrokers(
  postgres: Parameters<typeof createDatabase>[0],
  more: () => object | Promise<object>,
): Promise<TwoBrokers> {
  const { connectionString, drop } = await createDatabase(postgres);
  const cleanUps: (() => Promise<unknown>)[] = [drop];
  const directory = await mkdtemp(join(tmpdir(), 'qm-two-'));
  cleanUps.push(() => rm(directory, { recursive: true }));
  const connectionStringFile = join(directory, 'connection');
  await writeFile(connectionStringFile, connectionString, { mode: 0o600 });
  const store = { type: 'postgres', connectionStringFile };
  const ofFirst = await more();
  const one = await AttackedInstallation.make(() => ({ store, ...ofFirst }));
  cleanUps.push(() => one.remove());
  const token = await one.init();
  const first = await one.serve();
  cleanUps.push(() => first.stop('test'));
  const ofSecond = await more();
  const two = await AttackedInstallation.make((own) => ({
    store,
    ...ofSecond,
    kek: { type: 'local-file', path: one.at('keys/kek') },
    audit: {
      logKeyFile: one.at('keys/log.pem'),
      checkpointFile: join(own, 'keys', 'checkpoint'),
    },
  }));
  cleanUps.push(() => two.remove());
  await mkdir(two.at('keys'), { mode: 0o700 });
  await copyFile(one.at('keys/checkpoint'), two.at('keys/checkpoint'));
  const second = await two.serve();
  cleanUps.push(() => second.stop('test'));
  const remove = async (): Promise<void> => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  };
  return { brokers: [first, second], token, remove };
}
