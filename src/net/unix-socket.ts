import { once } from 'node:events';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { BrokerError } from '../domain/errors.ts';

/**
 * Creates a Unix socket at `path` by `bind`. Only users with write permission in `mode` can connect: the kernel checks it at connect(2), so no
 * further check of the peer is needed. A socket that a dead process left is removed; any other file at the path is not.
 * @throws ERR_CONFIG_INVALID that names the obstacle; errors of `bind`
 */
export async function bindUnixSocket(
  path: string,
  mode: number,
  bind: () => Promise<unknown>,
): Promise<void> {
  await removeAbandoned(path);
  // A socket is created with the mode that the umask leaves: a later chmod alone would let a quick process connect first.
  const former = process.umask(0o777 & ~mode);
  try {
    await bind();
  } finally {
    process.umask(former);
  }
  chmodSync(path, mode);
}

async function removeAbandoned(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw refused(path, 'exists and is not a socket: it is not removed');
  if (found.uid !== process.geteuid?.()) throw refused(path, `belongs to user ${found.uid}`);
  const code = await connectionCode(path);
  if (code === undefined) throw refused(path, 'another process listens there');
  // Other codes also come from live processes: EAGAIN from a busy one, EPROTOTYPE from one that uses datagrams.
  if (code !== 'ECONNREFUSED') {
    throw refused(path, `another process may listen there (${code}): end it, or remove the socket`);
  }
  unlinkSync(path);
}

/** @returns why there is no connection; undefined if there is one */
async function connectionCode(path: string): Promise<string | undefined> {
  const probe = connect(path);
  try {
    await once(probe, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  } finally {
    probe.destroy();
  }
}

function refused(path: string, why: string): BrokerError {
  return new BrokerError('ERR_CONFIG_INVALID', `${path}: ${why}`);
}
