import { afterEach, describe, expect, it } from '@jest/globals';
import { rename } from 'node:fs/promises';
import { retireKek, readKeyStatus } from '../../../src/broker/keys/rotate-keys.ts';
import { RootKeyWrappers } from '../../../src/broker/keys/root-key-wrappers.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openBroker, type RunningBroker } from '../../../src/program/broker/broker.ts';
import type { Config } from '../../../src/program/config/schema.ts';
import { serveUnsealed } from '../../../src/program/serving/serve-unsealed.ts';
import { generateRootKey } from '../../../src/crypto/keys/root-keys.ts';
import { generateSecretKey } from '../../../src/crypto/random/secret-key.ts';
import { createKeyFile, LocalFileKey } from '../../../src/providers/embedded/kek.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { freePort } from '../../kit/backends/free-port.ts';
import { until } from '../../kit/backends/until.ts';
import { codeOf } from '../../kit/broker/test-broker.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { movedUntil } from '../../kit/time/moved.ts';
import { BrokerError } from '../../../src/domain/errors.ts';

let own: AttackedInstallation;
let broker: RunningBroker | undefined;
let token: string;
const silent = (): void => undefined;
const deps = { clock: systemClock, log: { info: silent, warn: silent, error: silent } };

afterEach(async () => {
  await broker?.close('test');
  broker = undefined;
  await own.remove();
});

async function open(change: Partial<Config>): Promise<RunningBroker> {
  await broker?.close('test');
  broker = undefined;
  broker = await openBroker({ ...own.config, ...change }, deps);
  return broker;
}

/** An installation with a second key file that wraps nothing yet. */
async function prepare(): Promise<{
  readonly first: Config['kek'];
  readonly second: Config['kek'];
}> {
  own = await AttackedInstallation.make();
  token = await own.init();
  const path = own.at('keys/second');
  await createKeyFile({ path });
  return { first: own.config.kek, second: { type: 'local-file', path } };
}

async function status() {
  const { parts } = broker!;
  const caller = (await parts.tokens.find(token, parts.catalog))!;
  return readKeyStatus(parts, newCall(), caller);
}

async function retire(kek: string): Promise<unknown> {
  const { parts } = broker!;
  const caller = (await parts.tokens.find(token, parts.catalog))!;
  return retireKek(parts, newCall(), caller, { kek, comment: 'test' });
}

const wrapsOf = async (): Promise<number> => (await status()).keys[0]!.keks.length;

describe('a running broker whose key-encryption key does not work any more', () => {
  it('serves until kekOutageSeconds, then seals itself and records why; a restart with the key serves (F42)', async () => {
    const { first } = await prepare();
    const clock = new HandClock(Date.now());
    const config = { ...own.config, kekOutageSeconds: 7_200 };
    broker = await openBroker(config, { ...deps, clock });
    const wrappers = broker.parts.wrappers;
    // A disabled key of a key service fails in the same way: each use is ERR_SEALED.
    const prove = wrappers.prove.bind(wrappers);
    wrappers.prove = () => Promise.reject(new BrokerError('ERR_SEALED'));
    const minutes = async (count: number): Promise<void> => {
      for (let minute = 0; minute < count; minute += 1) {
        clock.advance(60_000);
        await new Promise((done) => setTimeout(done, 5));
      }
    };
    await minutes(100);
    expect(broker.unready()).toEqual([]);
    wrappers.prove = prove;
    await until('a use succeeds', async () => {
      await minutes(1);
      return wrappers.sinceOpened() < 120_000;
    });
    wrappers.prove = () => Promise.reject(new BrokerError('ERR_SEALED'));
    await minutes(100);
    expect(broker.unready()).toEqual([]);
    await until('the broker is sealed', async () => {
      await minutes(1);
      return broker!.unready().includes('ERR_SEALED');
    });
    expect(wrappers.sinceOpened()).toBeGreaterThanOrEqual(7_200_000);
    await broker.close('test');
    broker = undefined;
    await open({ kek: first });
    expect(broker!.unready()).toEqual([]);
    await broker!.trail.integrator.integrate();
    const { items } = await broker!.trail.reader.search({ action: 'broker.seal' }, { limit: 2 });
    expect(items).toHaveLength(1);
    expect(items[0]?.entry).toContain('"cause":"kek_unreachable"');
  });
});

describe('a change of the key-encryption key', () => {
  it('adds the second, proves it, and retires the first only when it is not needed', async () => {
    const { first, second } = await prepare();
    await open({ kek: first, secondKek: second });
    await until('both wrap the root key', async () => (await wrapsOf()) === 2);
    const [old = ''] = broker!.parts.wrappers.ids();
    expect(await codeOf(retire(old))).toBe('ERR_CONFLICT');
    await open({ kek: second });
    expect(broker!.warnings()).not.toContain('kek_unreachable');
    expect((await status()).keks).toContainEqual({
      id: old,
      isConfigured: false,
      problem: undefined,
    });
    await retire(old);
    expect(await wrapsOf()).toBe(1);
    expect(await codeOf(retire(old))).toBe('ERR_NOT_FOUND');
    await expect(open({ kek: first })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
      detail: expect.stringContaining(old) as unknown,
    });
    await open({ kek: second });
    expect(broker!.unready()).toEqual([]);
  });

  it('raises an alarm and serves while one of two keys is unavailable (F41)', async () => {
    const { first, second } = await prepare();
    await open({ kek: first, secondKek: second });
    await until('both wrap the root key', async () => (await wrapsOf()) === 2);
    await rename(own.at('keys/kek'), own.at('keys/away'));
    await open({ kek: first, secondKek: second });
    expect(broker!.unready()).toEqual([]);
    expect(broker!.warnings()).toContain('kek_unreachable');
    expect((await status()).keys).toHaveLength(1);
  });

  it('uses a key that a start could not open once it works, without a restart (F42)', async () => {
    const { first, second } = await prepare();
    const clock = new HandClock(Date.now());
    await rename(own.at('keys/second'), own.at('keys/away'));
    broker = await openBroker({ ...own.config, kek: first, secondKek: second }, { ...deps, clock });
    expect(broker.warnings()).toContain('kek_unreachable');
    await rename(own.at('keys/away'), own.at('keys/second'));
    const steps = { clock, stepMs: 61_000 };
    await movedUntil('both wrap the root key', steps, async () => (await wrapsOf()) === 2);
    await movedUntil('the warning ends', steps, () =>
      Promise.resolve(!broker!.warnings().includes('kek_unreachable')),
    );
  });

  it('does not use a key that answers with another plaintext, and opens with the second', async () => {
    own = await AttackedInstallation.make();
    const good = new LocalFileKey(generateSecretKey());
    const liar = new LocalFileKey(generateSecretKey());
    const wrappers = new RootKeyWrappers([liar, good], systemClock);
    const key = generateRootKey();
    const wraps = await wrappers.wrapUnderAll(key, 'in_test');
    const row = { id: key.id, commitment: key.commitment('in_test') };
    liar.unwrap = () => Promise.resolve(Buffer.alloc(32, 7));
    const opened = await wrappers.unwrap(row, wraps, 'in_test');
    expect(opened.exportMaterial()).toEqual(key.exportMaterial());
    expect([...wrappers.problems()]).toEqual([[liar.id, 'ERR_CIPHERTEXT_INVALID']]);
    const alone = new RootKeyWrappers([liar], systemClock);
    expect(await codeOf(alone.unwrap(row, wraps, 'in_test'))).toBe('ERR_CIPHERTEXT_INVALID');
  });
});

describe('a start without any key-encryption key', () => {
  it('is sealed: it answers probes and metrics, refuses the rest, and unseals by itself (F41)', async () => {
    await prepare();
    await rename(own.at('keys/kek'), own.at('keys/away'));
    const port = await freePort();
    const scraped = await freePort();
    const config = {
      ...own.config,
      listener: { ...own.config.listener, port },
      metrics: { listener: { host: '127.0.0.1', port: scraped } },
    };
    const started = serveUnsealed(config, deps);
    const url = `http://127.0.0.1:${port}`;
    const metricsUrl = `http://127.0.0.1:${scraped}`;
    await until('the sealed broker answers', () =>
      fetch(`${url}/healthz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { ready: false, reasons: ['ERR_SEALED'] },
    ]);
    const refused = await fetch(`${url}/api/v1/secrets/own/db`);
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'ERR_SEALED' }]);
    expect((await fetch(`${metricsUrl}/livez`)).status).toBe(200);
    expect(await (await fetch(`${metricsUrl}/readyz`)).json()).toEqual({
      ready: false,
      reasons: ['ERR_SEALED'],
    });
    const metrics = await (await fetch(`${metricsUrl}/metrics`)).text();
    expect(metrics).toContain('quaymaster_ready 0');
    expect(metrics).toContain('quaymaster_not_ready{reason="ERR_SEALED"} 1');
    await rename(own.at('keys/away'), own.at('keys/kek'));
    const serving = await started;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${metricsUrl}/metrics`)).text()).toContain('quaymaster_ready 1');
    await serving.stop('test');
  });
});
