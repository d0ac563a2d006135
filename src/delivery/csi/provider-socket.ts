import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { BrokerError } from '../../domain/errors.ts';

/** The driver is root, and nobody else has business there. */
const OWNER_ALONE = 0o177;

/**
 * Makes room for a socket at `path`, and makes it by `bind`: one that a process left behind when it died is removed, one that somebody may listen
 * at is not. @throws ERR_CONFIG_INVALID for that, and for what is no socket; what `bind` throws
 */
export async function ownSocket(path: string, bind: () => Promise<void>): Promise<void> {
  await clear(path);
  // A socket is born with the mode that the umask leaves; changing it later would be too late for who was quick. Nothing else is made meanwhile.
  const former = process.umask(OWNER_ALONE);
  try {
    await bind();
  } finally {
    process.umask(former);
  }
}

async function clear(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new BrokerError('ERR_CONFIG_INVALID', `${path} is not a socket`);
  const code = await connectionCode(path);
  if (code === undefined) {
    throw new BrokerError('ERR_CONFIG_INVALID', `another process listens at ${path}`);
  }
  // Anything else is said of the living too: EAGAIN of one who is busy.
  if (code !== 'ECONNREFUSED') {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `the process at ${path} cannot be asked whether it is alive (${code}): end it, or remove the socket`,
    );
  }
  await unlink(path);
}

/** @returns why there is no connection */
function connectionCode(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect(path);
  socket.once('connect', () => resolve(undefined));
  socket.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code));
  return promise.finally(() => socket.destroy());
}
