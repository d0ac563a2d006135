import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { until } from '../kit/backends/until.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { BuiltImage } from './built-image.ts';
import { ended } from './staged-image.ts';

/** The program with its libraries, its migrations, and V8's code of both. */
const PROGRAM_BYTES = 60_000_000;

describeWith(['buildah'], 'the image that Buildah builds', ({ buildah }) => {
  const image = new BuiltImage(buildah.program, buildah.directory);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

  beforeAll(async () => {
    const { cert, key } = new CertificateAuthority().issue({ commonName: 'quaymaster.test' });
    writeFileSync(join(image.config, 'tls.crt'), cert);
    writeFileSync(join(image.config, 'tls.key'), key);
    const config = {
      listener: {
        port: await freePort(),
        tls: {
          certificateFile: '/etc/quaymaster/tls.crt',
          keyFile: '/etc/quaymaster/tls.key',
        },
      },
      store: { type: 'sqlite', path: '/var/lib/quaymaster/store/quaymaster.sqlite' },
      kek: { type: 'local-file', path: '/var/lib/quaymaster-keys/kek.key' },
      audit: {
        origin: 'image.test/log',
        logKeyFile: '/var/lib/quaymaster-keys/log.key',
        checkpointFile: '/var/lib/quaymaster-keys/checkpoint',
      },
    };
    writeFileSync(join(image.config, 'config.yaml'), JSON.stringify(config));
    await image.build();
  });

  afterAll(() => image.remove());

  it('says what it is, which version, and under which licence', () => {
    expect(image.settings.Labels).toMatchObject({
      'org.opencontainers.image.title': 'Quaymaster',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
  });

  it('contains the program and Node: no packages, no installer, no sources', () => {
    expect(globSync('**/{node_modules/*,npm,npx,corepack,*.ts}', { cwd: image.root })).toEqual([]);
    const [size = ''] = execFileSync('du', ['-sb', join(image.root, 'app')])
      .toString()
      .split('\t');
    expect(Number(size)).toBeLessThan(PROGRAM_BYTES);
  });

  it('prints its help', async () => {
    expect(await image.run('--help')).toEqual({
      code: 0,
      output: expect.stringMatching(/^Usage: quaymaster/),
    });
  });

  it('runs as its user without capabilities, on a root that it cannot write to', async () => {
    const probe = `
      const fs = require('node:fs');
      const fails = (path) => { try { fs.writeFileSync(path, ''); return ''; } catch (error) { return error.code; } };
      const status = fs.readFileSync('/proc/self/status', 'utf8');
      console.log(JSON.stringify({
        user: process.getuid(), group: process.getgid(), pid: process.pid,
        capabilities: /^CapEff:\\s*(\\w+)/m.exec(status)[1], noNewPrivileges: /^NoNewPrivs:\\s*(\\d)/m.exec(status)[1],
        writes: ['/app/x', '/tmp/x', '/app/dist/x', '/var/lib/quaymaster/x'].map(fails),
      }));`;
    const { code, output } = await image.execute(['node', '-e', probe]);
    expect([code, JSON.parse(output)]).toEqual([
      0,
      {
        user: 10001,
        group: 10001,
        pid: 1,
        capabilities: '0000000000000000',
        noNewPrivileges: '1',
        writes: ['EROFS', 'EROFS', 'EROFS', ''],
      },
    ]);
  });

  it('initialises empty volumes, serves, reports its health, and ends at its stop signal', async () => {
    expect(await image.run('config', 'check')).toMatchObject({ code: 0 });
    const token = '/var/lib/quaymaster-keys/bootstrap-token';
    expect(await image.run('init', '--token-file', token)).toMatchObject({ code: 0 });
    const { Cmd, Entrypoint, Healthcheck, StopSignal } = image.settings;
    const [form, ...health] = Healthcheck.Test;
    expect(form).toBe('CMD');
    expect(await image.execute(health)).toMatchObject({ code: 1 });
    const broker = image.start([...Entrypoint, ...Cmd]);
    const end = ended(broker);
    await until('the broker is healthy', async () => {
      if (broker.exitCode !== null) throw new Error((await end).output);
      return (await image.execute(health)).code === 0;
    });
    image.signal(broker, StopSignal as NodeJS.Signals);
    expect(await end).toEqual({
      code: 0,
      output: expect.stringMatching(/"listening"[^]*"draining"[^]*"stopped"/),
    });
  });
});
