import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { BrokerError } from '../domain/errors.ts';

/**
 * Makes room for a socket at `path`: one that a process left behind when it died is removed, one that somebody listens at is not.
 * @throws ERR_CONFIG_INVALID for that, and for what is no socket
 */
export async function clearSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new BrokerError('ERR_CONFIG_INVALID', `${path} is not a socket`);
  if (await isHeard(path)) {
    throw new BrokerError('ERR_CONFIG_INVALID', `another process listens at ${path}`);
  }
  await unlink(path);
}

/** The driver is root, and nobody else has business there. */
export function closeToOthers(path: string): Promise<void> {
  return chmod(path, 0o600);
}

function isHeard(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
