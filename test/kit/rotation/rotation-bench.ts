import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import { RotationWorker } from '../../../src/rotation/rotation-worker.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import { TestBroker } from '../broker/test-broker.ts';
import { listRows } from '../store/table-rows.ts';

export const PATH = 'app/db';

/** A definition at `app/db` that rotates at the scripted target, with a working value. */
export class RotationBench {
  readonly broker: TestBroker;
  readonly admin: LiveOperator;
  #workers: RotationWorker[] = [];

  private constructor(broker: TestBroker, admin: LiveOperator) {
    this.broker = broker;
    this.admin = admin;
  }

  static async open(rotation: object = {}): Promise<RotationBench> {
    const broker = await TestBroker.open();
    const admin = await broker.seed();
    const bench = new RotationBench(broker, admin);
    await bench.write({ username: 'app', password: 'p0', other: 'kept' });
    broker.target.allow({ username: 'app', password: 'p0' });
    await bench.define(rotation);
    return bench;
  }

  async define(rotation: object = {}, path = PATH): Promise<void> {
    await this.broker.put(this.admin, 'definition', path, definition(rotation));
  }

  async write(data: SecretData, path = PATH): Promise<void> {
    const { parts } = this.broker;
    const mount = parts.catalog.mounts.find(path)!;
    const provider = parts.connections.provider(mount);
    const locator = parts.connections.locate(mount, path);
    const { fragment } = await provider.writes!.put(locator, data, undefined, {
      author: 'test',
      method: 'put',
    });
    await this.broker.store.real.commit(fragment);
  }

  async current(path = PATH): Promise<SecretData | undefined> {
    const { parts } = this.broker;
    const mount = parts.catalog.mounts.find(path)!;
    const locator = parts.connections.locate(mount, path);
    const context = this.broker.call().context();
    return parts.connections
      .provider(mount)
      .read(locator, undefined, context)
      .then(
        ({ data }) => data,
        () => undefined,
      );
  }

  /** A worker that runs rotations; another `work` acts as another process on the same store. */
  work(): RotationWorker {
    const worker = new RotationWorker(this.broker.parts);
    this.#workers.push(worker);
    worker.start();
    return worker;
  }

  async schedule(path = PATH): Promise<Tables['rotation_schedules'] | undefined> {
    return this.broker.store.get('rotation_schedules', { path });
  }

  /** Newest first. */
  async rotations(path = PATH): Promise<readonly Tables['rotations'][]> {
    return listRows(this.broker.store, 'rotations', {
      equals: { path },
      orderBy: ['created_at'],
      descending: true,
      limit: 100,
    });
  }

  async latest(path = PATH): Promise<Tables['rotations']> {
    const [row] = await this.rotations(path);
    if (row === undefined) throw new Error('no rotation');
    return row;
  }

  /** Lists the steps of the newest rotation, as `step outcome`. */
  async steps(path = PATH): Promise<readonly string[]> {
    const { id } = await this.latest(path);
    const rows = await listRows(this.broker.store, 'rotation_steps', {
      equals: { rotation_id: id },
      orderBy: ['seq'],
      limit: 1_000,
    });
    return rows.map(({ step, outcome }) => `${step} ${outcome}`);
  }

  /** Waits until the work in progress is done: each commit takes a turn of the event loop. */
  async rest(): Promise<void> {
    for (let turns = 0; turns < 300; turns += 1)
      await new Promise((resolve) => setImmediate(resolve));
  }

  /** Advances time in steps of a worker's sleep. */
  async pass(ms: number): Promise<void> {
    await this.rest();
    const step = Math.max(500, Math.ceil(ms / 20));
    for (let gone = 0; gone < ms; gone += step) {
      this.broker.clock.advance(Math.min(step, ms - gone));
      await this.rest();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.broker.close();
  }
}

export function definition(rotation: object): object {
  const confirmed = { connection: 'target-1', strategy: 'passwords', takeover: 'confirmed' };
  return { rotation: { ...confirmed, ...rotation } };
}
