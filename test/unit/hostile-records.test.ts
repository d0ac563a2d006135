import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { batchesOf, decodeObject } from '../../src/audit/records/archive-object.ts';
import { parseTruncation } from '../../src/audit/records/truncation.ts';
import { announcement } from '../../src/audit/records/boot-announcement.ts';
import { parsePosition, splitEntries } from '../../src/audit/records/entry.ts';
import { logIdentity } from '../../src/audit/records/log-identity.ts';
import { decodeSegment, openSegment } from '../../src/audit/records/segment.ts';
import { syslogFrame } from '../../src/audit/sinks/syslog-message.ts';
import { WitnessClient, WitnessError } from '../../src/audit/upkeep/add-checkpoint.ts';
import { openWitnessed } from '../../src/audit/log/witnessed-checkpoint.ts';
import { decodeCursor, encodeCursor } from '../../src/broker/state/cursor.ts';
import { openDatabaseManifest, openManifest } from '../../src/features/copies/manifest.ts';
import {
  openCheckpoint,
  openLogCheckpoint,
  parseCheckpointText,
} from '../../src/crypto/log/checkpoint.ts';
import { parseWitnessKey } from '../../src/crypto/log/cosignature.ts';
import { Keyring } from '../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../src/crypto/keys/root-keys.ts';
import { openNote, parseVerifierKey } from '../../src/crypto/log/signed-note.ts';
import { loadSigningKey } from '../../src/crypto/signatures/signing.ts';
import { decodeBundle, encodeBundle } from '../../src/crypto/log/tiles.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { hostileBytes, hostileText, parses } from '../kit/checks/hostile-values.ts';
import { TestWitness } from '../kit/log/test-witness.ts';

function vector(name: string): unknown {
  return JSON.parse(readFileSync(`test/vectors/${name}.json`, 'utf8'));
}

const archive = vector('audit-archive-v1') as {
  readonly object: string;
  readonly truncation: string;
};
const segment = vector('audit-segment-v1') as { first_index: number; count: number; body: string };
const backup = vector('backup-v1') as {
  readonly origin: string;
  readonly logKey: string;
  readonly manifest: { readonly checkpoint: string };
  readonly note: string;
  readonly database: { readonly note: string };
};
const { verifier } = logIdentity(backup.origin, loadSigningKey(backup.logKey));
const { checkpoint } = backup.manifest;
const place = `"writer":"w0mjvx2k3f-4k2m9d0x1c","seq":1,"prev":"${'0'.repeat(64)}","time":"2026-01-02T03:04:05.678Z"`;
const ENTRY = archive.truncation;
const START = `{${place},"action":"broker.start","outcome":"ok","boot":{"key":"AAAA","endorsement":"AAAA"}}`;

describe('a stored or signed record', () => {
  it.each<[string, (text: string) => unknown, string]>([
    ['note', (text) => openNote(text, [verifier]), checkpoint],
    ['checkpoint', (text) => openCheckpoint(text, backup.origin, [verifier]), checkpoint],
    ['checkpoint of the log', (text) => openLogCheckpoint(text, verifier), checkpoint],
    ['witnessed checkpoint', (text) => openWitnessed(text, verifier, []), checkpoint],
    ['manifest of a backup', (text) => openManifest(text, verifier), backup.note],
    [
      'manifest of a database',
      (text) => openDatabaseManifest(text, verifier),
      backup.database.note,
    ],
  ])('opens unchanged, and is refused if it was changed: %s', (_what, open, valid) => {
    const opened = open(valid);
    fc.assert(
      fc.property(hostileText(valid), (text) => {
        let result: unknown;
        parses(() => (result = open(text)));
        // Signatures by others may be added, but what was signed stays.
        if (result !== undefined)
          expect({ ...Object(result), note: '' }).toEqual({ ...Object(opened), note: '' });
      }),
      { numRuns: 300 },
    );
  });

  it.each<[string, (text: string) => unknown, string]>([
    ['verifier key', parseVerifierKey, 'quaymaster.example/prod+00000000+AAAA'],
    ['witness key', parseWitnessKey, 'witness.example+00000000+BAAA'],
    [
      'text of a checkpoint',
      parseCheckpointText,
      checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1),
    ],
    ['place of an entry', parsePosition, START],
    ['truncation', parseTruncation, ENTRY],
    ['start of a broker', announcement, START],
  ])('is parsed or refused: %s', (_what, parse, valid) => {
    fc.assert(fc.property(hostileText(valid), (text) => parses(() => parse(text))));
  });

  it('is read as it was written if it is of the log', () => {
    expect([parsePosition(START)?.seq, announcement(START)?.key]).toEqual([1, 'AAAA']);
    expect(parseTruncation(ENTRY)).toBeDefined();
  });

  it('is decoded with all its batches, or not at all, if it is of the archive', () => {
    const bytes = Buffer.from(archive.object, 'base64');
    expect(decodeObject(bytes)?.rows.flatMap((row) => batchesOf(row) ?? []).length).toBeGreaterThan(
      0,
    );
    fc.assert(
      fc.property(hostileBytes(bytes), (changed) => {
        for (const row of decodeObject(changed)?.rows ?? []) batchesOf(row);
      }),
      { numRuns: 500 },
    );
  });

  it('is decoded with as many entries as its row says, or not at all, if it is a segment', () => {
    const body = Buffer.from(segment.body, 'base64');
    expect(decodeSegment({ ...segment, body })).toBeDefined();
    fc.assert(
      fc.property(hostileBytes(body), fc.nat(9), (changed, count) => {
        const row = { first_index: 0, count, body: changed };
        const batches = decodeSegment(row);
        const total = batches?.reduce((sum, batch) => sum + batch.row.count, 0);
        expect([undefined, count]).toContain(total);
        expect(openSegment(row) === undefined).toBe(batches === undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('is split, or refused, if it is a bundle or a list of entries', () => {
    const bundle = encodeBundle([Buffer.from('{"a":1}'), Buffer.alloc(0)]);
    fc.assert(
      fc.property(hostileBytes(bundle), (bytes) => {
        parses(() => decodeBundle(bytes), Error);
        parses(() => splitEntries(bytes));
      }),
    );
    const entries = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 });
    fc.assert(
      fc.property(entries, (each) => {
        const read = decodeBundle(encodeBundle(each)).map((entry) => Buffer.from(entry));
        expect(read).toEqual(each.map((entry) => Buffer.from(entry)));
      }),
    );
  });

  it('is a page position that the list returned, or refused', () => {
    const parts = { keyring: new Keyring(generateRootKey()) };
    const cursor = encodeCursor(parts, 'list', { after: 'a/b' });
    expect(decodeCursor(parts, 'list', cursor)).toEqual({ after: 'a/b' });
    fc.assert(
      fc.property(hostileText(cursor), (text) => {
        // Base64 ignores what is not of its alphabet, so only the same bytes give the same position.
        parses(() => expect(decodeCursor(parts, 'list', text)).toEqual({ after: 'a/b' }));
      }),
    );
  });

  it('is one frame of syslog, whatever its members are', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('time', 'outcome', 'writer', 'action'), fc.jsonValue()),
        (facts) => {
          const entry = JSON.stringify(facts).replaceAll(/[^\x20-\x7e]/g, '?');
          const frame = syslogFrame({
            origin: 'a]"\\',
            index: 1,
            entry,
            text: entry,
            host: 'h h',
          }).toString('latin1');
          expect(frame).toMatch(/^\d+ <\d+>1 \S+ \S+ quaymaster \S+ \S+ \[[^\n]+\] \{[^\n]*\}$/);
          expect(frame.length).toBe(frame.indexOf(' ') + 1 + Number.parseInt(frame, 10));
        },
      ),
      { examples: [[{ outcome: { toString: {} } }], [{ outcome: 'constructor' }]] },
    );
  });
});

describe('the answer of a witness', () => {
  let witness: TestWitness;
  let client: WitnessClient;
  beforeAll(async () => {
    witness = await TestWitness.start('witness.example/hostile', []);
    client = new WitnessClient(
      { url: witness.url, verifier: parseWitnessKey(witness.key) },
      new HandClock(),
    );
  });
  afterAll(async () => {
    client.close();
    await witness.close();
  });

  it('is a cosignature that verifies, a size, or a fault with a name', async () => {
    const line = `\u2014 witness.example/hostile ${Buffer.alloc(76, 1).toString('base64')}\n`;
    const body = fc.oneof(hostileText(line), hostileText('12\n'));
    const status = fc.constantFrom(200, 204, 302, 403, 404, 409, 422, 429, 500);
    await fc.assert(
      fc.asyncProperty(status, body, async (code, answered) => {
        witness.answer = { status: code, body: answered };
        const submission = { old: 0, proof: [], note: checkpoint };
        const given = await client.add(submission).catch((error: unknown) => error);
        if (typeof given === 'number')
          expect({ code, given: String(given) }).toEqual({ code: 409, given: answered.trim() });
        else expect(given).toBeInstanceOf(WitnessError);
      }),
      { numRuns: 200 },
    );
  });
});
