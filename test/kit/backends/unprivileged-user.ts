import { readFile } from 'node:fs/promises';

/** As whom a server runs that refuses to run as root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user `nobody` when this process is root's, else nobody else. The name is looked up, because some servers look their own up and a number would not do. */
export async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'));
  if (entry === null)
    throw new Error('the server does not run as root, and there is no user nobody');
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}
