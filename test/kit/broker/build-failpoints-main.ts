import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeChunks } from '../../../scripts/chunks.ts';
import { connectionsOfEveryKind } from '../providers/every-connection.ts';
import { RotatingBroker } from '../rotation/rotating-broker.ts';
import { privateFile } from '../rotation/target-fixture.ts';
import { webhookAccount } from '../rotation/webhook-account.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Directory beside the program in `dist`, whose data files it uses. */
const DIRECTORY = join(ROOT, 'dist/failpoints');

rmSync(DIRECTORY, { recursive: true, force: true });
await writeChunks(
  { program: join(ROOT, 'test/kit/broker/failpoint-main.ts') },
  join(DIRECTORY, 'chunks'),
);
symlinkSync('../program/prebuilds', join(DIRECTORY, 'prebuilds'));
await writeCompiled('own/app');

/** Writes the compiled code of a broker that loads the libraries of all backends and rotates a secret: what a killed broker runs. */
async function writeCompiled(path: string): Promise<void> {
  process.env['WRITE_COMPILED'] = '';
  const account = await webhookAccount(path);
  const file = await privateFile('not-a-secret');
  const connections = { ...connectionsOfEveryKind(file.path), ...account.connections };
  const broker = await RotatingBroker.start([{ ...account, connections }]);
  await broker.current(path);
  await broker.ask(path);
  await broker.untilEnded(path);
  await broker.current(path);
  await broker.history(path);
  await broker.remove();
  await file.remove();
}
