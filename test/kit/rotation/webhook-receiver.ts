import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CertificateAuthority } from '../network/certificates.ts';

/** The receiver of docs/examples as a separate process. */
export interface WebhookReceiver {
  readonly url: string;
  readonly caFile: string;
  readonly secretFile: string;
  /** Creates an account at its target that accepts `password`. */
  addAccount(name: string, password: string): Promise<void>;
  accepts(name: string, password: string): Promise<boolean>;
  /** All accounts as text. */
  state(): Promise<string>;
  stop(): Promise<void>;
}

type Accounts = Record<string, readonly string[]>;

const hashOf = (password: string): string => createHash('sha256').update(password).digest('hex');

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-webhook-'));
  const path = (name: string): string => join(directory, name);
  const authority = new CertificateAuthority();
  const { cert, key } = authority.issue({ commonName: 'receiver', ipAddresses: ['127.0.0.1'] });
  const files = { ca: authority.cert, cert, certKey: key, accounts: '{}' };
  for (const [name, text] of Object.entries(files)) await writeFile(path(name), text);
  await writeFile(path('key'), `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  const env = {
    KEY_FILE: path('key'),
    CERT_FILE: path('cert'),
    CERT_KEY_FILE: path('certKey'),
    ACCOUNTS_FILE: path('accounts'),
    HOST: '127.0.0.1',
    PORT: '0',
  };
  const args = ['docs/examples/webhook-receiver.mjs'];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const accounts = async (): Promise<Accounts> =>
    JSON.parse(await readFile(path('accounts'), 'utf8')) as Accounts;
  return {
    url: `https://127.0.0.1:${line.slice(line.lastIndexOf(' ') + 1)}/rotations`,
    caFile: path('ca'),
    secretFile: path('key'),
    async addAccount(name, password) {
      const all = { ...(await accounts()), [name]: [hashOf(password)] };
      await writeFile(path('accounts'), JSON.stringify(all));
    },
    accepts: async (name, password) =>
      (await accounts())[name]?.includes(hashOf(password)) === true,
    state: async () => JSON.stringify(await accounts()),
    async stop() {
      child.kill();
      await once(child, 'exit');
      await rm(directory, { recursive: true });
    },
  };
}
