import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { once } from 'node:events';
import { codeOf, ConfigError } from '../../failures.ts';

/**
 * Listens at a path that only those can reach whom the mode lets write: the kernel asks at `connect`, so no further check of the peer is
 * needed. @throws ConfigError where something else is there, or lives.
 */
export async function listenAt(server: Server, path: string, mode: number): Promise<void> {
  await clear(path);
  const listening = once(server, 'listening');
  // A socket is born with the mode that the umask leaves; changing it later would be too late for who was quick.
  const former = process.umask(0o777 & ~mode);
  try {
    server.listen(path);
  } finally {
    process.umask(former);
  }
  try {
    await listening;
    chmodSync(path, mode);
  } catch (error) {
    throw refused(codeOf(error));
  }
}

/** Removes what an agent left behind that is no more. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw refused('something else is there, and is not removed');
  if (found.uid !== process.geteuid?.()) throw refused(`belongs to user ${found.uid}`);
  const code = await connectionCode(path);
  if (code === undefined) throw refused('somebody listens there already');
  // Anything else is said of the living too: EAGAIN of one who is busy, EPROTOTYPE of one who speaks datagrams.
  if (code !== 'ECONNREFUSED') throw refused(`cannot be asked whether it is alive (${code})`);
  unlinkSync(path);
}

/** @returns why there is no connection */
async function connectionCode(path: string): Promise<string | undefined> {
  const probe = connect(path);
  try {
    await once(probe, 'connect');
    return undefined;
  } catch (error) {
    return codeOf(error);
  } finally {
    probe.destroy();
  }
}

function refused(why: string): ConfigError {
  return new ConfigError('api', [`/api/socket: ${why}`]);
}
