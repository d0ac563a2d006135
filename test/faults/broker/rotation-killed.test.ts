import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

const SECRETS = 250;
const KILLS = 8;

let broker: PreparedBroker;

beforeAll(async () => {
  broker = await PreparedBroker.start();
  for (let at = 0; at < SECRETS; at += 25) {
    const names = Array.from({ length: 25 }, (_, index) => at + index);
    await Promise.all(names.map((name) => broker.write(`own/s${name}`, { v: `value ${name}` })));
  }
});
afterAll(() => broker.remove());

interface Status {
  readonly rotating: boolean;
  readonly keys: readonly {
    readonly id: string;
    readonly state: string;
    readonly versions: number;
  }[];
  readonly rewrap?: { readonly reencrypted: number };
}

const status = async (): Promise<Status> => {
  const { json } = await broker.installation.call('GET', '/api/v1/keys', {
    token: broker.operator,
  });
  return json as unknown as Status;
};

describe('a rotation of the root key whose broker is killed again and again', () => {
  it('continues after each start, and loses no value (F43)', async () => {
    const first = (await status()).keys[0]!.id;
    const states = new Set<string>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const asked = await broker.installation.call('POST', '/api/v1/keys:rotate', {
        token: broker.operator,
        body: { reason: 'test', compromised: kill === 0 },
      });
      expect(asked.status).toBe(202);
      // Kills at other moments of the rotation each time, from its first commits to its end.
      await sleep(kill * 150);
      await broker.installation.stop('SIGKILL');
      await broker.installation.start();
      for (const { state } of (await status()).keys) states.add(state);
    }
    await until('the rotation ends', async () => !(await status()).rotating);
    const last = await status();
    expect(last.keys).toHaveLength(1);
    expect(last.keys[0]!.id).not.toBe(first);
    expect(last.keys[0]!.versions).toBe(SECRETS);
    expect(states.size).toBeGreaterThan(1);
    const session = await broker.logInEarly();
    for (let name = 0; name < SECRETS; name += 10) {
      const { json } = await broker.read(session, `own/s${name}`);
      expect(json['data']).toEqual({ v: `value ${name}` });
    }
  });
});
