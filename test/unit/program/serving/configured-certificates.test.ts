import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../../../src/program/config/schema.ts';
import { ConfiguredCertificates } from '../../../../src/program/serving/configured-certificates.ts';
import { selfSigned } from '../../../../src/crypto/certificates/self-signed.ts';
import { generateKeyPair, type KeyPair } from '../../../../src/crypto/keys/key-pair.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-01-01T00:00:00.000Z');

let directory: string;
let pair: KeyPair;
let clock: HandClock;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-certificates-'));
  pair = await generateKeyPair('ec-p256');
});
afterAll(() => rm(directory, { recursive: true }));

/** A certificate that lives from `from` to `to`, in days from the start. */
function certificate(from: number, to: number): string {
  return selfSigned('ec-p256', pair, {
    commonName: 'test',
    dnsNames: ['test'],
    ipAddresses: [],
    notBefore: new Date(START + from * DAY),
    notAfter: new Date(START + to * DAY),
  });
}

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

type Listed = ReturnType<ConfiguredCertificates['list']>;

/** Reads the certificates that a part of a configuration names, and returns the list at the start. */
async function listed(config: object, length: number): Promise<Listed> {
  clock = new HandClock(START);
  const certificates = new ConfiguredCertificates(config as Config, clock);
  certificates.start();
  await until('the files are read', () => Promise.resolve(certificates.list().length === length));
  await certificates.stop();
  return certificates.list();
}

function short(list: Listed): readonly string[] {
  return list.map(
    ({ setting, expiresAt, state }) => `${setting} ${(expiresAt - START) / DAY} ${state}`,
  );
}

describe('the certificates of a configuration', () => {
  it('are those of listeners and authorities wherever a setting names them, the first to expire first', async () => {
    const config = {
      listener: {
        tls: {
          certificateFile: await file('leaf', certificate(-1, 90) + certificate(-90, 3)),
          keyFile: '/none',
          clientCaFile: await file('clients', certificate(-400, -1)),
        },
      },
      audit: { sinks: [{ type: 'http', caFile: await file('sink', certificate(-5, 30)) }] },
      connections: { mesh: { bundleFile: await file('mesh', certificate(-1, 60)) } },
    };
    expect(short(await listed(config, 4))).toEqual([
      'listener.tls.clientCaFile -1 expired',
      'audit.sinks.0.caFile 30 valid',
      'connections.mesh.bundleFile 60 valid',
      'listener.tls.certificateFile 90 valid',
    ]);
  });

  it('should be renewed in their last two weeks, or in the last fifth of a short life', async () => {
    const config = {
      connections: {
        hours: { caFile: await file('hours', certificate(-0.5, 0.5)) },
        late: { caFile: await file('late', certificate(-0.75, 0.125)) },
        soon: { caFile: await file('soon', certificate(-76, 14)) },
        then: { caFile: await file('then', certificate(-75, 15)) },
      },
    };
    expect(short(await listed(config, 4))).toEqual([
      'connections.late.caFile 0.125 expiring',
      'connections.hours.caFile 0.5 valid',
      'connections.soon.caFile 14 expiring',
      'connections.then.caFile 15 valid',
    ]);
  });

  it('count as the last of several authorities, because a new one stands beside the old one', async () => {
    const config = {
      a: { caFile: await file('both', certificate(-360, 5) + certificate(-1, 360)) },
    };
    expect(short(await listed(config, 1))).toEqual(['a.caFile 360 valid']);
  });

  it('are at most a hundred, and never those of a file that cannot be read', async () => {
    const path = await file('one', certificate(-1, 90));
    const connections = Object.fromEntries(
      Array.from({ length: 120 }, (_, index) => [`c${index}`, { caFile: path }]),
    );
    const config = { connections, broken: { caFile: join(directory, 'none') } };
    expect((await listed(config, 100)).map(({ setting }) => setting)).not.toContain(
      'broken.caFile',
    );
  });

  it('follow a file that is replaced, and another configuration', async () => {
    const path = await file('replaced', certificate(-89, 1));
    clock = new HandClock(START);
    const config = { listener: { tls: { certificateFile: path } } };
    const certificates = new ConfiguredCertificates(config as Config, clock);
    certificates.start();
    const shown = (text: string): Promise<void> =>
      until(text, () => {
        clock.advance(1_000);
        return Promise.resolve(short(certificates.list())[0]?.endsWith(text) === true);
      });
    await shown('1 expiring');
    await writeFile(path, certificate(0, 90));
    await shown('90 valid');
    const next = { connections: { mesh: { bundleFile: await file('next', certificate(0, 45)) } } };
    certificates.use(next as unknown as Config);
    await shown('connections.mesh.bundleFile 45 valid');
    await certificates.stop();
  });
});
