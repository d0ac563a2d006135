import { afterEach, beforeAll, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import { systemClock } from '../../../src/process/clock.ts';
import { openBroker, type RunningBroker } from '../../../src/program/broker/broker.ts';
import { serve } from '../../../src/program/serving/serve.ts';
import { serveUnsealed } from '../../../src/program/serving/serve-unsealed.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { setCredentials } from '../../kit/aws/aws-connection.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { freePort } from '../../kit/backends/free-port.ts';
import { until } from '../../kit/backends/until.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { createKmsKey } from '../../kit/aws/kms-key.ts';
import { KmsProxy, type KmsFault } from '../../kit/aws/kms-proxy.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';
import { movedUntil } from '../../kit/time/moved.ts';

const silent = (): void => undefined;
const log = { info: silent, warn: silent, error: silent };
const PAGE = 'docs/kms-aws.md';

/** The blocks of a language on the page about AWS KMS. */
async function blocksOf(language: string): Promise<readonly string[]> {
  const page = await readFile(PAGE, 'utf8');
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, block = '']) => block,
  );
}

describeWith(['moto'], 'a key-encryption key in AWS KMS', ({ moto }) => {
  let kms: KmsProxy;
  let own: AttackedInstallation;
  let broker: RunningBroker | undefined;

  beforeAll(() => setCredentials());
  afterEach(async () => {
    await broker?.close('test');
    broker = undefined;
    await own.remove();
    await kms.close();
  });

  /** The configuration of the page as it is written, with the address of the proxy and the ARN of a key that exists there. */
  async function prepare(more: object = {}): Promise<string> {
    kms = await KmsProxy.start(moto.endpoint);
    const [example = ''] = await blocksOf('yaml');
    const { kek } = load(example) as { kek: object };
    const keyId = await createKmsKey(moto.endpoint);
    own = await AttackedInstallation.make(() => ({
      kek: { ...kek, endpoint: kms.address, keyId },
      kekOutageSeconds: 7_200,
      ...more,
    }));
    return own.init();
  }

  it('works with the configuration and the policy of the page, and needs nothing else', async () => {
    const [example = ''] = await blocksOf('yaml');
    await prepare();
    const { kek } = load(example) as { kek: { region: string; connection: string } };
    expect(own.config.kek).toMatchObject({ ...kek, keyId: expect.any(String) as unknown });
    expect(await own.unreadyAtStart()).toEqual([]);
    const [policy = ''] = await blocksOf('json');
    const { Action, Condition } = JSON.parse(policy) as {
      readonly Action: readonly string[];
      readonly Condition: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
    };
    expect(new Set(kms.calls.map(({ action }) => action))).toEqual(new Set(Action));
    const allowed = Condition['ForAllValues:StringEquals']?.['kms:EncryptionContextKeys'];
    for (const { contextKeys } of kms.calls) expect(contextKeys).toEqual(allowed);
  });

  it.each<KmsFault>([
    'DisabledException',
    'KMSInvalidStateException',
    'AccessDeniedException',
    'KMSInternalException',
    'no answer',
  ])('lets the broker serve on with a warning while it gives %s (F42)', async (fault) => {
    const token = await prepare();
    const clock = new HandClock(Date.now());
    const serving = await serve(own.config, { clock, log });
    const opened = serving.broker;
    const { wrappers } = opened.parts;
    const put = async (path: string, body: unknown): Promise<number> => {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'if-none-match': '*',
      };
      const init = { method: 'PUT', headers, body: JSON.stringify(body) };
      return (await fetch(`${serving.url}/api/v1${path}`, init)).status;
    };
    try {
      expect(await put('/mounts/own', { prefix: 'own', connection: 'embedded' })).toBe(201);
      kms.fault = fault;
      await minutesUntil('the failure is noticed', clock, () =>
        opened.warnings().includes('kek_unreachable'),
      );
      const since = wrappers.sinceOpened();
      await minute(clock);
      expect(wrappers.sinceOpened()).toBe(since + 60_000);
      expect(opened.unready()).toEqual([]);
      expect(await put('/secrets/own/db', { data: { value: 'written meanwhile' } })).toBe(201);
      kms.fault = undefined;
      await minutesUntil('the key is used again', clock, () => wrappers.sinceOpened() <= 60_000);
      expect(opened.warnings()).not.toContain('kek_unreachable');
    } finally {
      await serving.stop('test');
    }
  });

  it('seals the broker if it stays disabled for kekOutageSeconds, and a restart is sealed until the key is back (F41, F42)', async () => {
    await prepare();
    const clock = new HandClock(Date.now());
    broker = await openBroker(own.config, { clock, log });
    await minutesUntil(
      'the key was tried',
      clock,
      () => broker!.parts.wrappers.sinceOpened() <= 60_000,
    );
    kms.fault = 'DisabledException';
    await minutesUntil('the broker is sealed', clock, () =>
      broker!.unready().includes('ERR_SEALED'),
    );
    expect(broker.parts.wrappers.sinceOpened()).toBeGreaterThanOrEqual(7_200_000);
    await broker.close('test');
    broker = undefined;

    const port = await freePort();
    const config = { ...own.config, listener: { ...own.config.listener, port } };
    const started = serveUnsealed(config, { clock: systemClock, log });
    const ready = (): Promise<Response | undefined> =>
      fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    await until('the sealed broker answers', async () => (await ready())?.status === 503);
    expect(await (await ready())?.json()).toEqual({ ready: false, reasons: ['ERR_SEALED'] });
    kms.fault = undefined;
    const serving = await started;
    expect((await ready())?.status).toBe(200);
    await serving.stop('test');
  });

  it('lets no answer leave while it stays disabled, before a sink that must acknowledge has its entry (F42)', async () => {
    const receiver = await HttpReceiver.start();
    const sinks = [{ type: 'http', url: receiver.url, mustAcknowledge: true }];
    const token = await prepare({ audit: { acknowledgeWithinSeconds: 30, sinks } });
    const clock = new HandClock(Date.now());
    const serving = await serve(own.config, { clock, log });
    const { acknowledgements } = serving.broker.trail;
    const call = async (method: string, path: string, as: string, body?: unknown) => {
      const headers = {
        authorization: `Bearer ${as}`,
        'content-type': 'application/json',
        ...(method === 'PUT' && { 'if-none-match': '*' }),
      };
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const answer = await fetch(`${serving.url}/api/v1${path}`, init);
      return { status: answer.status, text: await answer.text() };
    };
    try {
      await call('PUT', '/mounts/own', token, { prefix: 'own', connection: 'embedded' });
      await call('PUT', '/secrets/own/db', token, { data: { value: 'hunter2' } });
      await call('PUT', '/operators/reader', token, { grants: [{ role: 'secret-reader' }] });
      const minted = await call('POST', '/operators/reader/tokens', token, { ttl: '50m' });
      const { token: reader } = JSON.parse(minted.text) as { readonly token: string };
      expect(minted.status).toBe(201);
      const read = () => call('GET', '/secrets/own/db', reader);
      const isRead = () =>
        [...receiver.entries().values()].some((entry) => entry.includes('"action":"secret.read"'));
      expect(await read()).toMatchObject({ status: 200 });
      kms.fault = 'DisabledException';
      await minutesUntil('the failure is noticed', clock, () =>
        serving.broker.warnings().includes('kek_unreachable'),
      );
      receiver.isRefusing = true;
      let wasRecorded: boolean | undefined;
      const answer = read().finally(() => (wasRecorded = isRead()));
      await until('the read waits', () => Promise.resolve(acknowledgements.status().waiting > 0));
      expect(wasRecorded).toBeUndefined();
      receiver.isRefusing = false;
      await movedUntil('the read is answered', { clock, stepMs: 250 }, () =>
        Promise.resolve(wasRecorded !== undefined),
      );
      expect(await answer).toMatchObject({ status: 200, text: expect.stringContaining('hunter2') });
      expect(wasRecorded).toBe(true);

      receiver.isRefusing = true;
      const withheld = read();
      await until('the read waits', () => Promise.resolve(acknowledgements.status().waiting > 0));
      await minutesUntil('the broker is sealed', clock, () =>
        serving.broker.unready().includes('ERR_SEALED'),
      );
      const { status, text } = await withheld;
      expect(status).toBe(503);
      expect(text).not.toContain('hunter2');
      expect(await read()).toMatchObject({ status: 503, text: expect.stringContaining('SEALED') });
    } finally {
      await serving.stop('test');
      await receiver.close();
    }
  });

  it('is accepted neither at a start nor for a new installation if it answers with another key', async () => {
    await prepare();
    const other = await createKmsKey(moto.endpoint);
    kms.change = (answer) => ({ ...answer, KeyId: other });
    await expect(openBroker(own.config, { clock: systemClock, log })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
      detail: expect.stringContaining(`KMS answered with another key (${other})`) as unknown,
    });
    kms.change = (answer) => ({ ...answer, KeyId: undefined });
    const fresh = await AttackedInstallation.make(() => ({ kek: own.config.kek }));
    try {
      await expect(fresh.init()).rejects.toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
        detail: expect.stringContaining('KMS answered with another key') as unknown,
      });
    } finally {
      await fresh.remove();
    }
  });

  it('ends the start, which names the key, if it answers with the plaintext of another key', async () => {
    await prepare();
    const plaintext = Buffer.alloc(32, 7).toString('base64');
    let isProven = false;
    // The first decryption proves the encryption context; it is right, as at a server that was replaced afterwards.
    kms.change = (answer, { action }) => {
      const isForged = isProven;
      isProven ||= action === 'kms:Decrypt';
      return isForged ? { ...answer, Plaintext: plaintext } : answer;
    };
    await expect(openBroker(own.config, { clock: systemClock, log })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
      detail: expect.stringContaining(
        `${(own.config.kek as { keyId: string }).keyId} answered, but did not give the root key`,
      ) as unknown,
      cause: { message: 'the KEK returned a key that is not the committed one' },
    });
  });

  /** Lets minutes pass until the condition holds: more than the two hours after which a broker is sealed. */
  async function minutesUntil(
    what: string,
    clock: HandClock,
    condition: () => boolean,
  ): Promise<void> {
    for (let passed = 0; passed < 200; passed += 1) {
      await minute(clock);
      if (condition()) return;
    }
    throw new Error(`200 minutes passed in vain: ${what}`);
  }

  /** Moves the clock by a minute, and lets what became due finish: a request in flight must not meet its deadline in the next minute. */
  async function minute(clock: HandClock): Promise<void> {
    clock.advance(60_000);
    for (let quiet = 0; quiet < 4;) {
      const { length } = kms.calls;
      await new Promise((done) => setTimeout(done, 10));
      quiet = kms.settled === length && kms.calls.length === length ? quiet + 1 : 0;
    }
  }
});
