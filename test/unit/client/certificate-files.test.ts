import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { BrokerClient, CertificateFiles, UnusableCertificate } from '../../../src/client/index.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';
import { fileTree, removeTreesAfterEach } from '../../kit/files/file-tree.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

removeTreesAfterEach();

const authority = new CertificateAuthority();
const clock = new HandClock(Date.now());
const issued = (notAfter = new Date(clock.now() + 3_600_000)) =>
  authority.issue({ commonName: 'shop', notAfter });

let directory: string;
let problems: string[];
let files: CertificateFiles;
const at = (name: string): string => join(directory, name);

beforeEach(async () => {
  directory = await fileTree({});
  problems = [];
  files = new CertificateFiles({
    certFile: at('cert'),
    keyFile: at('key'),
    onProblem: (problem) => problems.push(problem),
    clock,
  });
});

async function write({ cert, key }: { readonly cert: string; readonly key: string }) {
  await writeFile(at('cert'), cert);
  await writeFile(at('key'), key, { mode: 0o600 });
}

describe('the files of a client certificate', () => {
  it('are read at each use, so that a replaced certificate needs no restart', async () => {
    const [first, second] = [issued(), issued()];
    await write(first);
    expect(files.current()).toEqual(first);
    await write(second);
    expect(files.current()).toEqual(second);
    expect(problems).toEqual([]);
  });

  it('stay in use while only one of them is replaced, or one is gone, and this is reported once (F59)', async () => {
    const [first, second] = [issued(), issued()];
    await write(first);
    files.current();
    await writeFile(at('cert'), second.cert);
    expect([files.current(), files.current()]).toEqual([first, first]);
    await rm(at('key'));
    expect(files.current()).toEqual(first);
    const former = 'the client certificate before it stays in use';
    expect(problems).toEqual([
      `${at('key')} has no private key of ${at('cert')}; ${former}`,
      `${at('key')} does not exist; ${former}`,
    ]);
    await write(second);
    expect(files.current()).toEqual(second);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['without the key', () => rm(at('key')), 'key does not exist'],
    ['without a certificate', () => writeFile(at('cert'), 'x'), 'cert has no certificate'],
    ['with text as key', () => writeFile(at('key'), 'x'), 'key has no private key of'],
    ['with another key', () => writeFile(at('key'), issued().key), 'key has no private key of'],
    ['too long', () => writeFile(at('key'), 'x'.repeat(1_048_577)), 'key is longer than 1 MiB'],
    [
      'with a directory as key',
      () => rm(at('key')).then(() => mkdir(at('key'))),
      'key is not a regular file',
    ],
  ])('are refused %s, if there was no usable pair before', async (_what, change, message) => {
    await write(issued());
    await change();
    expect(() => files.current()).toThrow(UnusableCertificate);
    expect(() => files.current()).toThrow(`${directory}/${message}`);
  });

  it('are used if other users can read the key, and that is reported with the remedy', async () => {
    await write(issued());
    await chmod(at('key'), 0o644);
    files.current();
    files.current();
    expect(problems).toEqual([
      `${at('key')} is open to other users (mode 0644); run: chmod 600 ${at('key')}`,
    ]);
  });

  it('are reported when the certificate expires', async () => {
    const end = new Date(Math.ceil(clock.now() / 1000) * 1000 + 1_000);
    await write(issued(end));
    files.current();
    expect(problems).toEqual([]);
    clock.advance(5_000);
    files.current();
    files.current();
    expect(problems).toEqual([
      `the client certificate ${at('cert')} expired at ${end.toISOString()}`,
    ]);
  });
});

describe('a client', () => {
  it('refuses a client certificate for a URL without TLS', () => {
    const options = { url: 'http://127.0.0.1:1', clientCertificate: () => files.current() };
    expect(() => new BrokerClient(options)).toThrow('a client certificate needs a URL');
  });
});
