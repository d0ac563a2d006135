import { until } from '../backends/until.ts';
import type { PreparedBroker } from './prepared-broker.ts';
import { History } from './request-history.ts';

/**
 * A killed client never ends its sessions, so their leases stay until they expire. Over 30 rounds they are more than the default limits admit, and
 * the broker would refuse every read.
 */
export const LOAD_LIMITS = {
  leasesPerWorkload: 1_000_000,
  sessionsPerPod: 1_000_000,
  sessionsPerWorkload: 1_000_000,
};

const READERS = 8;
const WRITERS = 4;
/** The number of answers in a round before the broker is killed. */
const ENOUGH = 80;

/** Clients that read, write, log in and out at one broker, and operators that end sessions, until it dies. It records their operations. */
export class Load {
  readonly history = new History();
  readonly #broker: PreparedBroker;

  constructor(broker: PreparedBroker) {
    this.#broker = broker;
  }

  /** Creates the secrets of the clients. */
  async prepare(): Promise<void> {
    for (let n = 0; n < WRITERS; n += 1)
      await this.#write(`own/p${n}`, 'first', { 'if-none-match': '*' });
  }

  /** Runs all clients until many requests are answered, kills the broker, waits for the clients and restarts it. `killed` runs before the restart. */
  async killUnder(round: number, killed: () => Promise<void> = async () => {}): Promise<void> {
    const state = { over: false };
    const isOver = (): boolean => state.over;
    const load = [
      ...Array.from({ length: READERS }, (_, n) => this.#readOn(`r${round}-${n}`, n, isOver)),
      ...Array.from({ length: WRITERS }, (_, n) => this.#writeOn(`own/p${n}`, round, isOver)),
    ];
    const enough = this.history.count('ok') + ENOUGH + ((round * 37) % 100);
    await until('many requests are answered', () =>
      Promise.resolve(this.history.count('ok') >= enough),
    );
    await this.#broker.installation.stop('SIGKILL');
    state.over = true;
    await Promise.all(load);
    await killed();
    await this.#broker.installation.start();
  }

  /** Reads the last values by path. */
  async lastValues(): Promise<ReadonlyMap<string, string>> {
    const last = new Map<string, string>();
    const session = await this.#broker.logIn({ pod: 'last' });
    for (let n = 0; n < WRITERS; n += 1) {
      const { json } = await this.#broker.read(session, `own/p${n}`);
      last.set(`own/p${n}`, (json['data'] as { readonly value: string }).value);
    }
    return last;
  }

  /** Prints a line of figures in runs with `ROUNDS`. */
  report(what: string, rounds: number): void {
    if (process.env['ROUNDS'] === undefined) return;
    const [ok, refused, unknown] = (['ok', 'refused', 'unknown'] as const).map((outcome) =>
      this.history.count(outcome),
    );
    process.stdout.write(
      `${what}: ${rounds} kills, ${ok} acknowledged operations, ${refused} refused, ${unknown} unknown; no violation\n`,
    );
  }

  async #write(
    path: string,
    value: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { installation, operator: token } = this.#broker;
    const asked = { kind: 'write', path, session: 'operator', value } as const;
    const body = { data: { value } };
    await this.history.run(asked, () =>
      installation.call('PUT', `/api/v1/secrets/${path}`, { token, body, headers }),
    );
  }

  /** One writer per path, so that the last acknowledged value is known. */
  async #writeOn(path: string, round: number, isOver: () => boolean): Promise<void> {
    const session = await this.#broker.logIn({ pod: 'writer' }).catch(() => '');
    for (let n = 0; !isOver(); n += 1) {
      const current = await this.#broker.read(session, path).catch(() => undefined);
      const etag = current === undefined ? undefined : etagOf(current.json['version']);
      if (etag === undefined) return;
      await this.#write(path, `${round}-${n}`, { 'if-match': etag });
    }
  }

  /** Logs in and reads, then logs out or is ended by an operator, and reads again with the ended session. Every second reader is ended first. */
  async #readOn(name: string, first: number, isOver: () => boolean): Promise<void> {
    const { installation, operator } = this.#broker;
    for (let n = first; !isOver(); n += 1) {
      const token = await this.#broker.logIn({ pod: name }).catch(() => undefined);
      if (token === undefined) return;
      const session = `${name}-${n}`;
      const read = (at: number) => {
        const path = `own/p${at % WRITERS}`;
        const asked = { kind: 'read', path, session, value: undefined } as const;
        return this.history.run(asked, () => this.#broker.read(token, path));
      };
      for (let at = 0; at < 12; at += 1) await read(at);
      const kind = n % 2 === 0 ? 'logOut' : 'end';
      const body = { by: 'pod', cluster: 'c1', pod: `uid-of-${name}` };
      await this.history.run({ kind, path: '', session, value: undefined }, () =>
        kind === 'logOut'
          ? installation.call('DELETE', '/api/v1/sessions/self', { token })
          : installation.call('POST', '/api/v1/sessions:end', { token: operator, body }),
      );
      await read(0);
    }
  }
}

function etagOf(version: unknown): string | undefined {
  return typeof version === 'string' ? `"${version}"` : undefined;
}
