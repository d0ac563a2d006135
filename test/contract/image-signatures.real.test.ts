import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Attestations } from '../../src/broker/attestations/attestation-memory.ts';
import { parseAttestation } from '../../src/broker/attestations/parse-attestation.ts';
import { RowSeals } from '../../src/broker/recording/row-seals.ts';
import { parseSpec } from '../../src/broker/documents/schema.ts';
import { fetchAttestations } from '../../src/cli/registry.ts';
import { systemClock } from '../../src/clock.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { generateRootKey } from '../../src/crypto/root-keys.ts';
import {
  judgeTrust,
  type ImageTrust,
  type Statement,
} from '../../src/domain/posture/image-trust.ts';
import { compileProfile } from '../../src/domain/posture/profile.ts';
import type { Store } from '../../src/ports/store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';

const run = promisify(execFile);
const context = { clock: systemClock, signal: new AbortController().signal };
const memory = new Attestations({} as Store, new RowSeals(new Keyring(generateRootKey())));

type Content = Readonly<Record<string, unknown>>;

/** The broker's view of what was fetched. */
function trustOf(contents: readonly Content[]): ImageTrust {
  const kept = contents.map((content, at) => {
    const { subjects, type, repository, builder, scannedAt } = parseAttestation(content);
    const body = Buffer.from(JSON.stringify(content));
    const facts = { type, repository, builder, scannedAt };
    return { subjects, statement: { id: `att_${at}`, createdAt: 1, body, ...facts } };
  });
  return {
    of: (digest) =>
      kept.filter(({ subjects }) => subjects.includes(digest)).map(({ statement }) => statement),
    signerOf: (statement: Statement, by) => memory.signerOf(statement, by),
  };
}

describeWith(['cosign'], 'images that the real cosign signed', ({ cosign }) => {
  const { registry } = cosign;
  const repository = `${registry}/${uniqueName('prod')}/web`;
  let directory: string;
  let digest: string;
  let fetched: readonly Content[];
  const keys: { ci: string; other: string } = { ci: '', other: '' };

  const at = (name: string): string => join(directory, name);

  async function call(program: string, ...args: readonly string[]): Promise<string> {
    const env = { ...process.env, HOME: directory, COSIGN_PASSWORD: '' };
    return (await run(program, [...args], { cwd: directory, env })).stdout.trim();
  }

  async function push(name: string, tag: string): Promise<string> {
    await mkdir(at(name));
    await writeFile(at(`${name}/app`), name);
    await call('tar', '-cf', at(`${name}.tar`), '-C', at(name), '.');
    await call(
      cosign.crane,
      'append',
      '--insecure',
      '-f',
      at(`${name}.tar`),
      '-t',
      `${repository}:${tag}`,
    );
    return call(cosign.crane, 'digest', '--insecure', `${repository}:${tag}`);
  }

  const offline = ['--yes', '--key', 'ci.key', '--allow-http-registry'];

  beforeAll(async () => {
    directory = await mkdtemp(join(cosign.directory, 'signed-'));
    for (const name of ['ci', 'other'] as const) {
      await call(cosign.cosign, 'generate-key-pair', '--output-key-prefix', name);
      keys[name] = await readFile(at(`${name}.pub`), 'utf8');
    }
    await call(cosign.cosign, 'signing-config', 'create', '--out', 'none.json');
    digest = await push('first', 'v1');
    const image = `${repository}@${digest}`;
    const bundled = [...offline, '--signing-config', 'none.json'];
    await call(cosign.cosign, 'sign', ...bundled, image);
    const legacy = [
      '--new-bundle-format=false',
      '--use-signing-config=false',
      '--tlog-upload=false',
    ];
    await call(cosign.cosign, 'sign', ...offline, ...legacy, image);
    const builder = { builder: { id: 'https://builder.test/ci' }, buildType: 'test' };
    await writeFile(at('provenance.json'), JSON.stringify(builder));
    const now = new Date().toISOString();
    const metadata = { scanStartedOn: now, scanFinishedOn: now };
    const scan = {
      invocation: {},
      scanner: { uri: 'test', version: '1', db: {}, result: {} },
      metadata,
    };
    await writeFile(at('scan.json'), JSON.stringify(scan));
    for (const [type, file] of [
      ['slsaprovenance', 'provenance.json'],
      ['vuln', 'scan.json'],
    ])
      await call(cosign.cosign, 'attest', ...bundled, '--type', type!, '--predicate', file!, image);
    fetched = await fetchAttestations({ repository, digest }, {}, context);
  }, 120_000);
  afterAll(() => rm(directory, { recursive: true }));

  function codes(key: string, contents: readonly Content[], of = digest): readonly string[] {
    const authorities = [{ name: 'ci', key }];
    const image = {
      signatures: [{ images: [`${registry}/**`], authorities }],
      attestations: [
        {
          ...{ images: [`${registry}/**`], authorities },
          slsaProvenance: { builders: ['https://builder.test/*'] },
          vulnScan: { maxAge: '1d' },
        },
      ],
    };
    const { trust } = compileProfile(
      'p',
      1,
      parseSpec('posture-profile', { mode: 'enforce', image }),
    );
    const by = { trust: trustOf(contents), now: Date.now() };
    return judgeTrust(trust, { repository, digest: of }, by).findings.map(({ code }) => code);
  }

  it('are fetched from the registry with both forms of signatures and their attestations', () => {
    const types = fetched.map((content) => parseAttestation(content).type).sort();
    expect(types).toEqual([
      'https://cosign.sigstore.dev/attestation/vuln/v1',
      'https://slsa.dev/provenance/v0.2',
      'signature',
      'signature',
    ]);
    expect(fetched.filter((content) => 'payload' in content)).toHaveLength(1);
  });

  it('are trusted by the key that signed, in each form alone, and by no other key', () => {
    expect(codes(keys.ci, fetched)).toEqual([]);
    const isLegacy = (content: Content): boolean => 'payload' in content;
    expect(codes(keys.ci, fetched.filter(isLegacy))).not.toContain('signer_not_trusted');
    expect(codes(keys.ci, fetched.filter(isLegacy))).not.toContain('signature_missing');
    expect(
      codes(
        keys.ci,
        fetched.filter((each) => !isLegacy(each)),
      ),
    ).toEqual([]);
    expect(codes(keys.other, fetched)).toEqual([
      'signer_not_trusted',
      'attestation_missing',
      'attestation_missing',
    ]);
  });

  it('are not trusted after their tag was moved to another image', async () => {
    const moved = await push('second', 'v1');
    expect(moved).not.toBe(digest);
    expect(await fetchAttestations({ repository, digest: moved }, {}, context)).toEqual([]);
    expect(codes(keys.ci, fetched, moved)).toContain('signature_missing');
  });

  it('are not trusted with a changed payload', () => {
    const changed = fetched.map((content) => {
      if ('payload' in content) {
        const { payload, ...rest } = content as { payload: string };
        const text = Buffer.from(payload, 'base64').toString();
        return { ...rest, payload: Buffer.from(text.replace('}', ',"x":1}')).toString('base64') };
      }
      const { dsseEnvelope, ...rest } = content as { dsseEnvelope: { payload: string } };
      const text = Buffer.from(dsseEnvelope.payload, 'base64').toString();
      const payload = Buffer.from(text.replace(/}$/, ',"x":1}')).toString('base64');
      return { ...rest, dsseEnvelope: { ...dsseEnvelope, payload } };
    });
    expect(codes(keys.ci, changed)).toEqual([
      'signer_not_trusted',
      'attestation_missing',
      'attestation_missing',
    ]);
  });
});
