import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { until } from '../backends/until.ts';
import { PreparedBroker, type BrokerSetup, type Clock } from '../broker/prepared-broker.ts';
import type { Rotating } from './rotating.ts';
import { storedSecrets, type StoredSecret } from './stored-secret.ts';

/** A rotation in an answer of the API. */
export interface ShownRotation {
  readonly id: string;
  readonly state: string;
  readonly step: string;
  readonly lastError?: string;
  readonly version?: string;
  readonly steps: readonly { readonly step: string; readonly outcome: string }[];
}

/** A workload's read. */
export interface Current {
  readonly data: SecretData;
  readonly version: string;
}

/**
 * Limit of a rotation. After a kill it waits for its claim to expire, then retries. On a busy machine each step takes many
 * seconds; a test may take five minutes.
 */
const ROTATION_MS = 240_000;
/** The time of the machine. */
const USUAL: Clock = { epoch: 0, speed: 1 };

/** Broker as a process, some of whose secrets rotate at real targets. */
export class RotatingBroker {
  readonly prepared: PreparedBroker;
  readonly #rotating: ReadonlyMap<string, Rotating>;
  #clock: Clock;

  private constructor(prepared: PreparedBroker, rotating: readonly Rotating[], clock: Clock) {
    this.prepared = prepared;
    this.#clock = clock;
    this.#rotating = new Map(rotating.map((each) => [each.path, each]));
  }

  /** Starts a broker with failpoints and writes its own secrets and the definitions. */
  static async start(
    rotating: readonly Rotating[],
    furniture: BrokerSetup = {},
    clock: Clock = USUAL,
  ): Promise<RotatingBroker> {
    const connections = Object.assign({}, ...rotating.map((each) => each.connections)) as object;
    const prepared = await PreparedBroker.start({
      ...furniture,
      failpoints: clock,
      config: (directory) => ({ ...furniture.config?.(directory), connections }),
      documents: Object.assign({}, ...rotating.map((each) => each.mounts ?? {})) as Record<
        string,
        object
      >,
    });
    for (const { path, first, rotation } of rotating) {
      if (first !== undefined) await prepared.write(path, first);
      await prepared.create(`/definitions/${path}`, {
        rotation: { takeover: 'confirmed', ...rotation },
      });
    }
    return new RotatingBroker(prepared, rotating, clock);
  }

  /** Restarts it, with another clock if one is given. */
  async restart(clock: Clock = this.#clock): Promise<void> {
    this.#clock = clock;
    await this.prepared.installation.stop();
    await this.prepared.startWithFailpoints(clock);
  }

  /** Requests a rotation, or controls the one in progress. Undefined if the broker died meanwhile. */
  async ask(path: string, verb = 'run', body: object = {}): Promise<number | undefined> {
    const { installation, operator } = this.prepared;
    const { due } = this.#of(path);
    if (verb === 'run') await due?.((await this.current(path)).data);
    const asked = `/api/v1/rotations/${path}:${verb}`;
    const answer = await installation
      .callUntilTaken('POST', asked, { token: operator, body })
      .catch(() => undefined);
    return answer?.status;
  }

  async active(path: string): Promise<ShownRotation | undefined> {
    const { installation, operator } = this.prepared;
    const answer = await installation.callUntilTaken('GET', `/api/v1/rotations/${path}`, {
      token: operator,
    });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    return answer.json['active'] as ShownRotation | undefined;
  }

  async untilAt(path: string, step: string): Promise<void> {
    await until(`it comes to ${step}`, async () => (await this.active(path))?.step === step);
  }

  async untilEnded(path: string): Promise<void> {
    const isOver = async () => (await this.active(path)) === undefined;
    await until('the rotation is over', isOver, ROTATION_MS);
  }

  /** Newest first. */
  async history(path: string): Promise<readonly ShownRotation[]> {
    const { installation, operator } = this.prepared;
    const asked = `/api/v1/rotation-history/${path}`;
    const { json } = await installation.callUntilTaken('GET', asked, { token: operator });
    return json['items'] as readonly ShownRotation[];
  }

  /** Reads as a workload, and ends the lease at once. */
  async current(path: string): Promise<Current> {
    const { epoch, speed } = this.#clock;
    const at = epoch + (Date.now() - epoch) * speed;
    const session = await this.prepared.logInEarly({ at });
    const { installation } = this.prepared;
    const read = `/api/v1/secrets/${path}`;
    const { json } = await installation.callUntilTaken('GET', read, { token: session });
    await installation.call('DELETE', '/api/v1/sessions/self', { token: session });
    return { data: json['data'] as SecretData, version: String(json['version']) };
  }

  /** Reads the stored values, at whatever provider; the broker must not run. */
  async stored(path: string): Promise<StoredSecret> {
    const [stored] = await this.storedAt([path]);
    return stored!;
  }

  async storedAt(paths: readonly string[]): Promise<readonly StoredSecret[]> {
    const all = await storedSecrets(this.prepared.installation.file('config.yaml'), paths);
    const found = paths.map(async (path, index) => {
      const { held } = this.#of(path);
      const stored = all[index]!;
      return held === undefined ? stored : { ...stored, current: await held() };
    });
    return Promise.all(found);
  }

  async logsIn(path: string, data: SecretData | undefined): Promise<boolean> {
    return data !== undefined && this.#of(path).logsIn(data);
  }

  /** Counts the writes of the path's value, if its provider counts them. */
  async written(path: string, { version }: Current): Promise<number | undefined> {
    const { held, written } = this.#of(path);
    return held === undefined ? Number(version) : written?.();
  }

  async remove(): Promise<void> {
    await this.prepared.remove();
    for (const { close } of this.#rotating.values()) await close();
  }

  #of(path: string): Rotating {
    const found = this.#rotating.get(path);
    if (found === undefined) throw new Error(`nothing rotates at ${path}`);
    return found;
  }
}
