import { randomBytes } from 'node:crypto';
import type { Postgres } from '../../backends/postgres.ts';
import { uniqueName } from '../../backends/unique-name.ts';
import { until } from '../../backends/until.ts';
import { makePostgresPlace, type PostgresPlace } from '../../contract/postgres-fixture.ts';
import { Furnished, type Furniture } from '../../e2e/furnished.ts';
import { storedSecret, type StoredSecret } from './stored-secret.ts';

export type Login = Readonly<Record<'username' | 'password', string>>;

/** A clock that has run `speed` times as fast since `epoch`, in milliseconds. */
interface Clock {
  readonly epoch: number;
  readonly speed: number;
}

/** A rotation as the API shows it. */
export interface ShownRotation {
  readonly id: string;
  readonly state: string;
  readonly step: string;
  readonly lastError?: string;
  readonly version?: string;
  readonly steps: readonly { readonly step: string; readonly outcome: string }[];
}

/** How one path rotates at the target. */
interface Rotating {
  readonly path: string;
  readonly strategy: 'alternating-users' | 'single-user';
  readonly options?: object;
  readonly more?: object;
}

/** How the broker differs from one with SQLite that reaches the target directly. */
interface Differences {
  /** Where the target is reached, when something stands before it. */
  readonly port?: number;
  readonly furniture?: Furniture;
}

/** A broker as a process, some of whose secrets are users of a real PostgreSQL. */
export class RotatingBroker {
  readonly furnished: Furnished;
  readonly place: PostgresPlace;
  #clock: Clock = { epoch: 0, speed: 1 };

  private constructor(furnished: Furnished, place: PostgresPlace) {
    this.furnished = furnished;
    this.place = place;
  }

  /** Makes the users, the first of which each secret names, and the definitions. The broker runs. */
  static async start(
    postgres: Postgres,
    rotating: readonly Rotating[],
    { port, furniture }: Differences = {},
  ): Promise<RotatingBroker> {
    const place = await makePostgresPlace(postgres);
    const furnished = await Furnished.start({
      files: { ...furniture?.files, 'target.password': place.adminPassword },
      config: (directory) => ({
        ...furniture?.config?.(directory),
        connections: {
          target: {
            type: 'postgres',
            host: place.host,
            port: port ?? place.port,
            database: place.database,
            username: place.admin,
            passwordFile: `${directory}/target.password`,
            locators: ['roles/**'],
            limits: { timeoutMs: 60_000 },
          },
        },
      }),
    });
    const broker = new RotatingBroker(furnished, place);
    for (const each of rotating) await broker.#rotate(each);
    return broker;
  }

  async #rotate({ path, strategy, more = {}, ...given }: Rotating): Promise<void> {
    const usernames = [uniqueName('app'), uniqueName('app')] as const;
    const password = randomBytes(12).toString('hex');
    for (const name of usernames) await this.place.createRole(name, password);
    const [username] = usernames;
    await this.furnished.write(path, { username, password, other: 'kept' });
    const users = strategy === 'single-user' ? { username } : { usernames };
    const options = { ...users, ...given.options };
    await this.furnished.create(`/definitions/${path}`, {
      rotation: { connection: 'target', strategy, options, ...more },
    });
  }

  /** Starts it again, as a program with failpoints. */
  async restart(clock: Clock = this.#clock): Promise<void> {
    this.#clock = clock;
    await this.furnished.installation.stop();
    await this.furnished.startWithFailpoints(clock);
  }

  /** Asks for a rotation, or directs the one under way. Undefined where the broker died meanwhile. */
  async ask(path: string, verb = 'run', body: object = {}): Promise<number | undefined> {
    const { installation, operator } = this.furnished;
    const asked = `/api/v1/rotations/${path}:${verb}`;
    const answer = await installation
      .call('POST', asked, { token: operator, body })
      .catch(() => undefined);
    return answer?.status;
  }

  async active(path: string): Promise<ShownRotation | undefined> {
    const { installation, operator } = this.furnished;
    const answer = await installation.call('GET', `/api/v1/rotations/${path}`, { token: operator });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    return answer.json['active'] as ShownRotation | undefined;
  }

  async untilAt(path: string, step: string): Promise<void> {
    await until(`it comes to ${step}`, async () => (await this.active(path))?.step === step);
  }

  async untilOver(path: string): Promise<void> {
    await until('the rotation is over', async () => (await this.active(path)) === undefined);
  }

  /** The newest first. */
  async history(path: string): Promise<readonly ShownRotation[]> {
    const { installation, operator } = this.furnished;
    const asked = `/api/v1/rotation-history/${path}`;
    const { json } = await installation.call('GET', asked, { token: operator });
    return json['items'] as readonly ShownRotation[];
  }

  /** What a workload reads, which lets go of it at once. */
  async current(path: string): Promise<{ readonly login: Login; readonly version: string }> {
    const { epoch, speed } = this.#clock;
    const at = epoch + (Date.now() - epoch) * speed;
    const session = await this.furnished.logInEarly({ at });
    const { json } = await this.furnished.read(session, path);
    await this.furnished.installation.call('DELETE', '/api/v1/sessions/self', { token: session });
    return { login: json['data'] as Login, version: String(json['version']) };
  }

  /** What is stored; the broker does not run. */
  stored(path: string): Promise<StoredSecret> {
    return storedSecret(this.furnished.installation.file('config.yaml'), path);
  }

  /** What the server has of each user's password: each time it is set, another salt. */
  async verifiers(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.place.query('SELECT rolname, rolpassword FROM pg_authid');
    return new Map(rows.map(([name, verifier]) => [String(name), String(verifier)]));
  }

  async logsIn(login: object | undefined): Promise<boolean> {
    if (login === undefined) return false;
    const { username, password } = login as Login;
    return this.place.logsIn(username, password);
  }

  async remove(): Promise<void> {
    await this.furnished.remove();
    await this.place.close();
  }
}
