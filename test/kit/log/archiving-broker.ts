import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../backends/until.ts';
import { Installation } from '../broker/installation.ts';

/** The newest 512 entries stay in the store. */
const ENTRIES = 1_200;
const BATCH = 100;

interface Places {
  /** Receivers of the log. */
  readonly sinks: readonly object[];
  /** The place of its archive. */
  readonly to: object;
}

/** A built broker that makes backups, and archives its log on request. */
export class ArchivingBroker {
  readonly installation: Installation;
  admin = '';
  #reader = '';

  private constructor(installation: Installation) {
    this.installation = installation;
  }

  static async start(places: (directory: string) => Places): Promise<ArchivingBroker> {
    const broker = new ArchivingBroker(await Installation.make());
    await broker.#start(places(broker.installation.directory));
    return broker;
  }

  async #start({ sinks, to }: Places): Promise<void> {
    const { installation } = this;
    await mkdir(installation.file('keys'), { recursive: true });
    const printed = await installation.verb('backup', 'keygen', installation.file('backup.key'));
    const recipient = /age1\w+/.exec(printed)?.[0] ?? '';
    await installation.configure({
      backup: { directory: installation.file('backups'), recipients: [recipient] },
      audit: {
        origin: 'quaymaster.test/e2e',
        logKeyFile: installation.file('keys/log.pem'),
        checkpointFile: installation.file('keys/checkpoint'),
        sinks,
        denials: { entriesPerWindow: 10_000 },
        archive: { to },
      },
    });
    this.admin = await installation.initialise();
    await installation.write('admin.token', this.admin);
    await installation.start();
    await this.create('/operators/reader', { grants: [{ role: 'secret-reader' }] });
    const minted = await installation.call('POST', '/api/v1/operators/reader/tokens', {
      token: this.admin,
      body: { ttl: '1h' },
    });
    this.#reader = String(minted.json['token']);
  }

  /** The options of commands that run beside the store. */
  get config(): readonly string[] {
    return ['--config', this.installation.file('config.yaml')];
  }

  create(path: string, document: object): Promise<void> {
    return this.installation.create(this.admin, path, document);
  }

  /** Runs a command that asks the broker. */
  verb(...words: readonly string[]): Promise<string> {
    const { installation } = this;
    const token = installation.file('admin.token');
    return installation.verb(...words, '--url', installation.url, '--token-file', token);
  }

  /** Reads secrets that do not exist: one entry each. */
  async record(): Promise<void> {
    const items = Array.from({ length: BATCH }, (_, i) => ({ path: `own/${i}` }));
    for (let made = 0; made < ENTRIES; made += BATCH) {
      const options = { token: this.#reader, body: { items } };
      const { status } = await this.installation.call('POST', '/api/v1/secrets:batch', options);
      if (status !== 200) throw new Error(`POST /secrets:batch: ${status}`);
    }
  }

  /** Records entries, and archives at least so many once they are in the tree and at the sinks. @returns what the command printed */
  async archive(least: number): Promise<string> {
    await this.record();
    // In the future: the newest entries are wanted too.
    const before = new Date(Date.now() + 3_600_000).toISOString();
    const words = ['audit', 'archive', '--before', before, '--reason', 't'];
    await until('entries can be archived', async () => {
      const plan = await this.verb(...words, '--dry-run', '--output', 'json');
      return (JSON.parse(plan) as { readonly total: number }).total >= least;
    });
    return this.verb(...words, '--yes');
  }

  /** Makes a backup. @returns the path of its archive */
  async backUp(): Promise<string> {
    const { installation, admin: token } = this;
    await installation.call('POST', '/api/v1/backups', { token });
    let name = '';
    await until('the backup ends', async () => {
      const { json } = await installation.call('GET', '/api/v1/backups', { token });
      const run = json['run'] as { state: string; error?: string; backup?: { name: string } };
      if (run.state === 'failed') throw new Error(run.error);
      name = run.backup?.name ?? '';
      return run.state !== 'running';
    });
    return join(installation.file('backups'), `${name}.age`);
  }

  remove(): Promise<void> {
    return this.installation.remove();
  }
}
