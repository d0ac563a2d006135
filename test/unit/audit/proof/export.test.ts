import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifierKeyText } from '../../../../src/crypto/log/signed-note.ts';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { writeFormatted } from '../../../../src/audit/proof/export-formatted.ts';
import type { Manifest } from '../../../../src/audit/records/export-format.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { verifyExport } from '../../../../src/audit/proof/verify.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench, workloadActor, type EventFields } from '../../../kit/log/log-bench.ts';

const clock = new HandClock();
let bench: LogBench;
let directory: string;
let earlier: string | undefined;

beforeAll(async () => {
  bench = await LogBench.open(clock);
  const actor = workloadActor('api');
  const some = (count: number): EventFields[] =>
    Array.from({ length: count }, (_, i) => ({ actor, requestId: `req_${i}` }));
  for (let i = 0; i < 9; i++) await bench.record(...some(37));
  await bench.integrate();
  earlier = await bench.checkpointFile.read();
  await bench.stop();
  clock.advance(1000);
  await bench.restart();
  for (let i = 0; i < 40; i++) await bench.record(...some(11));
  await bench.record({ action: 'broker.stop', path: undefined });
  await bench.integrate();
  directory = join(bench.directory, 'export');
  await exportLog(storeSource(bench.store, bench.log), directory);
});
afterAll(() => bench.remove());

describe('an export', () => {
  it('verifies, and reports what the verification proves', async () => {
    const report = await verifyExport(directory);
    expect(report).toMatchObject({
      holds: true,
      assurance: 'self-consistent only',
      keyGiven: false,
      size: 777,
      batches: 52,
      findings: [],
    });
    expect(report.writers.map(({ entries, stopped }) => [entries, stopped])).toEqual([
      [334, false],
      [443, true],
    ]);
  });

  it('has a line for each entry in another format, with the leaf hash of the tree, and still verifies', async () => {
    const text = await readFile(join(directory, 'manifest.json'), 'utf8');
    const copy = `${directory}-ocsf`;
    await cp(directory, copy, { recursive: true });
    await writeFormatted(copy, JSON.parse(text) as Manifest, 'ocsf');
    const lines = (await readFile(join(copy, 'entries.ocsf'), 'utf8')).trimEnd().split('\n');
    const hashes = lines.map((line, index) => {
      const { raw_data: entry, unmapped } = JSON.parse(line) as {
        readonly raw_data: string;
        readonly unmapped: { readonly record_integrity: { index: number; leaf_hash: string } };
      };
      const { record_integrity: place } = unmapped;
      expect(place.index).toBe(index);
      const leaf = createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex');
      expect(place.leaf_hash).toBe(leaf);
      return leaf;
    });
    expect(hashes).toHaveLength(777);
    const tile = await readFile(join(directory, 'tile/0/000'));
    expect(hashes.slice(0, 256).join('')).toBe(tile.toString('hex'));
    expect(await verifyExport(copy)).toMatchObject({ holds: true });
  });

  it('is anchored by an external checkpoint of any earlier size', async () => {
    const logKey = verifierKeyText(bench.log.origin, bench.log.signer.key.publicKey);
    for (const externalCheckpoint of [earlier, await bench.checkpointFile.read()]) {
      const report = await verifyExport(directory, { externalCheckpoint, logKey });
      expect(report).toMatchObject({ holds: true, assurance: 'anchored', keyGiven: true });
    }
  });

  it('does not verify under another log key', async () => {
    const logKey = verifierKeyText(bench.log.origin, generateSigningKey().publicKey);
    const report = await verifyExport(directory, { logKey });
    expect(report).toMatchObject({
      holds: false,
      assurance: 'none',
      findings: [
        { message: expect.stringMatching(/^this is not the log of that log key/) },
        ...report.findings.slice(1),
      ],
    });
    const whats = new Set(report.findings.map(({ what }) => what));
    expect(whats).toEqual(
      new Set(['checkpoint_invalid', 'boot_not_endorsed', 'signature_invalid']),
    );
  });

  it('reports an invalid export and does not throw', async () => {
    expect(await verifyExport(join(bench.directory, 'nowhere'))).toMatchObject({
      holds: false,
      findings: [{ what: 'unreadable' }],
    });
    const copy = join(bench.directory, 'broken');
    for (const file of ['heads.jsonl', 'tile/entries/001', 'tile/0/001', 'checkpoint']) {
      await cp(directory, copy, { recursive: true });
      await rm(join(copy, file));
      expect(await verifyExport(copy)).toMatchObject({ holds: false });
      await rm(copy, { recursive: true });
    }
  });

  it('is not overwritten', async () => {
    await expect(exportLog(storeSource(bench.store, bench.log), directory)).rejects.toMatchObject({
      code: 'EEXIST',
    });
  });

  it('holds no more files than the log has', async () => {
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const names = files.filter((file) => file.isFile()).map(({ name }) => name);
    expect(names.sort()).toEqual(
      [
        '000',
        '000',
        '001',
        '001',
        '002',
        '002',
        '3',
        '9',
        '9',
        'checkpoint',
        'heads.jsonl',
        'manifest.json',
      ].sort(),
    );
  });
});

/** Written from the specification with nothing of src: RFC 6962 by recursion, bundles and notes by hand. */
describe('an independent reader', () => {
  const sha = (...parts: Uint8Array[]): Buffer =>
    createHash('sha256').update(Buffer.concat(parts)).digest();

  function merkle(leaves: Buffer[]): Buffer {
    if (leaves.length === 0) return sha();
    if (leaves.length === 1) return leaves[0] ?? Buffer.alloc(0);
    let k = 1;
    while (k * 2 < leaves.length) k *= 2;
    return sha(Buffer.of(1), merkle(leaves.slice(0, k)), merkle(leaves.slice(k)));
  }

  const ed25519 = (raw: Buffer) =>
    createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
      format: 'jwk',
    });

  async function readAll(): Promise<Buffer[]> {
    const entries: Buffer[] = [];
    for (const name of ['000', '001', '002', '003.p/9']) {
      const bytes = await readFile(join(directory, 'tile/entries', name));
      for (let at = 0; at < bytes.length;) {
        const length = bytes.readUInt16BE(at);
        entries.push(bytes.subarray(at + 2, at + 2 + length));
        at += 2 + length;
      }
    }
    return entries;
  }

  it('finds the same tree under the same signature', async () => {
    const entries = await readAll();
    const note = await readFile(join(directory, 'checkpoint'), 'utf8');
    const [origin, size, root, , signatureLine = ''] = note.split('\n');
    expect([origin, size]).toEqual(['log.example/test', String(entries.length)]);
    const leaves = entries.map((entry) => sha(Buffer.of(0), entry));
    expect(merkle(leaves).toString('base64')).toBe(root);
    const { logKey } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as {
      logKey: string;
    };
    const publicKey = Buffer.from(logKey.split('+').slice(2).join('+'), 'base64');
    const key = ed25519(publicKey.subarray(-32));
    const signature = Buffer.from(signatureLine.split(' ')[2] ?? '', 'base64').subarray(4);
    const text = Buffer.from(note.slice(0, note.indexOf('\n\n') + 1));
    expect(verify(null, text, key, signature)).toBe(true);
  });

  it('finds the same chains under the keys that the boots announced', async () => {
    const entries = await readAll();
    const heads = (await readFile(join(directory, 'heads.jsonl'), 'utf8')).trimEnd().split('\n');
    const lastHash = new Map<string, string>();
    const keys = new Map<string, ReturnType<typeof ed25519>>();
    for (const line of heads) {
      const { first_index, writer, count, first_seq, head, signature } = JSON.parse(line) as {
        [name in 'first_index' | 'count' | 'first_seq']: number;
      } & { [name in 'writer' | 'head' | 'signature']: string };
      for (let i = first_index; i < first_index + count; i++) {
        const bytes = entries[i] ?? Buffer.alloc(0);
        const entry = JSON.parse(bytes.toString());
        expect(entry.prev).toBe(lastHash.get(writer) ?? '0'.repeat(64));
        if (entry.seq === 1) keys.set(writer, ed25519(Buffer.from(entry.boot.key, 'base64')));
        lastHash.set(writer, sha(bytes).toString('hex'));
      }
      expect(lastHash.get(writer)).toBe(head);
      const message = `\0quaymaster/v1/audit-batch\n${writer}\n${first_seq + count - 1}\n${head}\n`;
      const key = keys.get(writer);
      if (key === undefined) throw new Error('no key');
      expect(verify(null, Buffer.from(message), key, Buffer.from(signature, 'base64'))).toBe(true);
    }
  });
});

describe('a verification', () => {
  it('names the first altered entry by index, writer and sequence', async () => {
    const copy = join(bench.directory, 'edited');
    await cp(directory, copy, { recursive: true });
    const path = join(copy, 'tile/entries/001');
    const bytes = await readFile(path);
    const at = bytes.indexOf('"req_7"');
    bytes.write('"req_9"', at);
    await writeFile(path, bytes);
    const report = await verifyExport(copy);
    const [altered, broken] = report.findings;
    expect(altered).toMatchObject({ what: 'entry_altered' });
    expect(broken).toMatchObject({ what: 'chain_broken', index: (altered?.index ?? 0) + 1 });
    const entry = JSON.parse(
      (await bench.reader.entries(altered?.index ?? 0, 1000))[0]?.entry ?? '',
    ) as { requestId: string; seq: number };
    expect(entry.requestId).toBe('req_7');
    expect(broken?.seq).toBe(entry.seq + 1);
    await rm(copy, { recursive: true });
  });
});
