import { readFile } from 'node:fs/promises';

/** The user for a server that refuses to run as root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The unprivileged system user if this process is root's, else undefined. The name is looked up, because some servers look up their own
 * name and accept no number.
 */
export async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'));
  if (entry === null)
    throw new Error('the server does not run as root, and there is no user nobody');
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}
