import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../kit/backends/free-port.ts';
import { until } from '../kit/backends/until.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { manifestsOf, only } from './manifests.ts';
import { ended, StagedImage, type Ended } from './staged-image.ts';

const INSPECTOR_PORT = 9229;

/** The manifest's configuration file, with the differences of this machine in the environment. */
function settings(port: number): (image: StagedImage) => Readonly<Record<string, string>> {
  return ({ root, data, keys }) => ({
    QUAYMASTER__listener__host: '127.0.0.1',
    QUAYMASTER__listener__port: String(port),
    QUAYMASTER__listener__tls__certificateFile: join(root, 'tls.crt'),
    QUAYMASTER__listener__tls__keyFile: join(root, 'tls.key'),
    QUAYMASTER__metrics: '{}',
    QUAYMASTER__store__path: join(data, 'store/quaymaster.sqlite'),
    QUAYMASTER__kek__path: join(keys, 'kek.key'),
    QUAYMASTER__audit__logKeyFile: join(keys, 'log.key'),
    QUAYMASTER__audit__checkpointFile: join(keys, 'checkpoint'),
  });
}

function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

/** Paths below a volume that its group or others may access. */
function open(volume: string): readonly string[] {
  return readdirSync(volume, { recursive: true, encoding: 'utf8' }).filter(
    (path) => (lstatSync(join(volume, path)).mode & 0o077) !== 0,
  );
}

describe('the image, as the Dockerfile builds it', () => {
  const made: { image?: StagedImage; init?: Ended } = {};
  const image = (): StagedImage => made.image!;
  const file = (name: string): string => join(image().root, name);
  const run = (...args: readonly string[]): Promise<Ended> =>
    image().run(...args, '--config', file('config.yaml'));

  /** Serves until `use` is done; returns how the broker ended. */
  async function whileServing(
    use: (broker: ReturnType<StagedImage['start']>) => Promise<void>,
  ): Promise<Ended> {
    const broker = image().start('serve', '--config', file('config.yaml'));
    const end = ended(broker);
    await until('the broker is healthy', async () => {
      if (broker.exitCode !== null) throw new Error((await end).output);
      return (await run('healthcheck')).code === 0;
    });
    await use(broker);
    broker.kill('SIGTERM');
    return end;
  }

  beforeAll(async () => {
    made.image = new StagedImage(settings(await freePort()));
    const config = only(manifestsOf('quaymaster.yaml'), 'ConfigMap')['data'];
    writeFileSync(file('config.yaml'), (config as { 'config.yaml': string })['config.yaml']);
    const { cert, key } = new CertificateAuthority().issue({ commonName: 'quaymaster.test' });
    writeFileSync(file('tls.crt'), cert);
    writeFileSync(file('tls.key'), key, { mode: 0o644 });
    await image().build();
  });

  afterAll(async () => {
    await image().remove();
  });

  it('has a configuration that its own verb finds valid', async () => {
    expect(await run('config', 'check')).toMatchObject({ code: 0 });
  });

  it('contains the agent, which accepts the settings of the example pod', async () => {
    const { data } = only(manifestsOf('examples/projected-token-pod.yaml'), 'ConfigMap');
    const { 'agent.yaml': text } = data as { 'agent.yaml': string };
    writeFileSync(file('agent.yaml'), `${text}\nhealth: { port: ${await freePort()} }\n`);
    const settings = ['--config', file('agent.yaml')];
    expect(await image().run('agent', 'config', 'check', ...settings)).toMatchObject({ code: 0 });
    expect(await image().run('agent', 'healthcheck', '--ready', ...settings)).toEqual({
      code: 1,
      output: expect.stringContaining('does not answer'),
    });
  });

  it('does not serve a store that was never initialised', async () => {
    const { code, output } = await run('serve');
    expect(code).not.toBe(0);
    expect(output).toMatch(/ERR_CONFIG_INVALID/);
  });

  it('is not healthy while nothing listens', async () => {
    expect((await run('healthcheck')).code).not.toBe(0);
  });

  it('is initialised by its user on empty volumes, and warns about the loss of the key', async () => {
    const { code, output } = await run('init', '--token-file', join(image().keys, 'token'));
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringMatching(/KEEP A COPY OF .*kek\.key IN A SAFE PLACE/),
    });
    expect(output).not.toContain(readFileSync(join(image().keys, 'token'), 'utf8').trim());
  });

  it('creates no second operator while the first token file exists', async () => {
    const { code, output } = await run('init', '--token-file', join(image().keys, 'token'));
    expect(code).not.toBe(0);
    expect(output).toMatch(/ERR_CONFLICT/);
  });

  it('serves as its user with only the volumes writable, and drains at SIGTERM', async () => {
    const output = expect.stringMatching(/"listening"[^]*"draining"[^]*"stopped"/);
    expect(await whileServing(() => Promise.resolve())).toEqual({ code: 0, output });
  });

  it('serves again on the same volumes', async () => {
    expect(await whileServing(() => Promise.resolve())).toMatchObject({ code: 0 });
  });

  it('opens no inspector at SIGUSR1, and keeps running (X01)', async () => {
    const { output } = await whileServing(async (broker) => {
      const before = await listens(INSPECTOR_PORT);
      broker.kill('SIGUSR1');
      expect((await run('healthcheck')).code).toBe(0);
      expect(await listens(INSPECTOR_PORT)).toBe(before);
    });
    expect(output).not.toMatch(/debugger/i);
  });

  it('leaves nothing in the volumes that another user may open', () => {
    expect(open(image().data)).toEqual([]);
    expect(open(image().keys)).toEqual([]);
  });
});
