import { until } from '../backends/until.ts';
import type { PreparedBroker } from '../broker/prepared-broker.ts';

interface Rotation {
  readonly step: string;
}

/** A secret of the mount `own` whose password the broker generates at each requested rotation. */
export class Rotated {
  readonly path: string;
  readonly #broker: PreparedBroker;

  private constructor(broker: PreparedBroker, path: string) {
    this.#broker = broker;
    this.path = path;
  }

  static async make(broker: PreparedBroker, path: string): Promise<Rotated> {
    await broker.write(path, { user: 'app', password: 'the-first-one' });
    await broker.create(`/definitions/${path}`, { rotation: { strategy: 'generated' } });
    return new Rotated(broker, path);
  }

  async run(): Promise<void> {
    const { installation, operator: token } = this.#broker;
    const asked = `/api/v1/rotations/${this.path}:run`;
    const answer = await installation.callUntilTaken('POST', asked, { token, body: {} });
    if (answer.status !== 202) throw new Error(`${answer.status} ${JSON.stringify(answer.json)}`);
  }

  async untilAt(step: string): Promise<void> {
    await until(`it comes to ${step}`, async () => (await this.active())?.step === step);
  }

  async untilEnded(): Promise<void> {
    await until('the rotation is over', async () => (await this.active()) === undefined);
  }

  async active(): Promise<Rotation | undefined> {
    const { installation, operator: token } = this.#broker;
    const { json } = await installation.call('GET', `/api/v1/rotations/${this.path}`, { token });
    return json['active'] as Rotation | undefined;
  }
}
