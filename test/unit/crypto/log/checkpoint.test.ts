import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  checkpointText,
  openCheckpoint,
  parseCheckpointText,
  signCheckpoint,
} from '../../../../src/crypto/log/checkpoint.ts';
import {
  openNote,
  parseVerifierKey,
  signNote,
  verifierKeyText,
} from '../../../../src/crypto/log/signed-note.ts';
import {
  generateSigningKey,
  loadSigningKey,
  VerifyingKey,
} from '../../../../src/crypto/signatures/signing.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

interface CheckpointVectors {
  readonly seed: string;
  readonly publicKey: string;
  readonly verifierKey: string;
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly text: string;
  readonly note: string;
  readonly cases: { name: string; note: string; expect: string }[];
  readonly foreign: { name: string; verifierKey: string; note: string; text: string }[];
}

const vectors = JSON.parse(
  readFileSync('test/vectors/checkpoint-v1.json', 'utf8'),
) as CheckpointVectors;
const INVALID = 'ERR_CIPHERTEXT_INVALID';
/** PKCS #8 of an Ed25519 seed, so that no file here looks like a private key to a scanner. */
function pemOf(seed: string): string {
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex');
  const kind = 'PRIVATE KEY';
  return `-----BEGIN ${kind}-----\n${der.toString('base64')}\n-----END ${kind}-----\n`;
}
const key = loadSigningKey(pemOf(vectors.seed));
const verifier = parseVerifierKey(vectors.verifierKey);
const { origin, size } = vectors;
const root = Buffer.from(vectors.root, 'hex');

describe('signed checkpoints', () => {
  it('equal the frozen bytes: Ed25519 is deterministic', () => {
    expect(Buffer.from(key.publicKey).toString('hex')).toBe(vectors.publicKey);
    expect(verifierKeyText(origin, key.publicKey)).toBe(vectors.verifierKey);
    expect(checkpointText({ origin, size, root })).toBe(vectors.text);
    expect(signCheckpoint({ origin, size, root }, { name: origin, key })).toBe(vectors.note);
  });

  it.each(vectors.cases)('equal the frozen vector $name', (each) => {
    const attempt = (): unknown => openCheckpoint(each.note, origin, [verifier]);
    if (each.expect === 'opens') expect(attempt()).toEqual({ origin, size, root });
    else expect(codeOf(attempt)).toBe(each.expect);
  });

  it('refuse a change of any character', () => {
    for (let i = 0; i < vectors.note.length; i++) {
      const char = vectors.note[i] === 'A' ? 'B' : 'A';
      const changed = vectors.note.slice(0, i) + char + vectors.note.slice(i + 1);
      expect(codeOf(() => openCheckpoint(changed, origin, [verifier]))).toBe(INVALID);
    }
  });

  it('refuse a reader without keys, and one of another log', () => {
    expect(codeOf(() => openCheckpoint(vectors.note, origin, []))).toBe(INVALID);
    expect(codeOf(() => openCheckpoint(vectors.note, 'quaymaster.example/other', [verifier]))).toBe(
      INVALID,
    );
  });

  it('refuse values that the format cannot carry', () => {
    for (const bad of ['', 'a b', 'a+b', 'a\nb', 'a\u00a0b']) {
      expect(() => checkpointText({ origin: bad, size, root })).toThrow(TypeError);
    }
    for (const bad of [-1, 0.5, 2 ** 53])
      expect(() => checkpointText({ origin, size: bad, root })).toThrow(RangeError);
    expect(() => checkpointText({ origin, size, root: root.subarray(1) })).toThrow(RangeError);
  });

  it('parse back at every edge of a size', () => {
    for (const edge of [0, 1, Number.MAX_SAFE_INTEGER]) {
      expect(parseCheckpointText(checkpointText({ origin, size: edge, root })).size).toBe(edge);
    }
  });
});

describe('signed notes', () => {
  it.each(vectors.foreign)(
    'verify as other implementations made them: $name',
    ({ verifierKey, note, text }) => {
      expect(openNote(note, [parseVerifierKey(verifierKey)])).toBe(text);
      expect(codeOf(() => openNote(note.replace('e', 'f'), [parseVerifierKey(verifierKey)]))).toBe(
        INVALID,
      );
    },
  );

  it('keep empty lines of the text: the last one separates', () => {
    const text = 'one\n\ntwo\n\n\nthree\n';
    expect(openNote(signNote(text, { name: origin, key }), [verifier])).toBe(text);
  });

  it('refuse text or names that the format forbids', () => {
    for (const text of ['', 'no newline', 'tab\there\n', 'cr\r\n', 'a\ud800\n']) {
      expect(() => signNote(text, { name: origin, key })).toThrow(TypeError);
    }
    for (const name of ['', 'a b', 'a+b', 'a\u2003b', 'a\u0085b']) {
      expect(() => signNote('text\n', { name, key })).toThrow(TypeError);
    }
  });

  it('are refused when too long or with too many signatures, before any verification', () => {
    const line = vectors.note.split('\n').at(-2) ?? '';
    const many = (count: number): string => `${vectors.text}\n${`${line}\n`.repeat(count)}`;
    expect(openNote(many(16), [verifier])).toBe(vectors.text);
    expect(codeOf(() => openNote(many(33), [verifier]))).toBe(INVALID);
    expect(
      codeOf(() =>
        openNote(signNote(`${'x'.repeat(300_000)}\n`, { name: origin, key }), [verifier]),
      ),
    ).toBe(INVALID);
  });

  it.each([
    ['another key ID', vectors.verifierKey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
    [
      'an upper-case key ID',
      vectors.verifierKey.replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase()),
    ],
    ['another name', `x${vectors.verifierKey}`],
    ['another type', vectors.verifierKey.replace('+A', '+B')],
    ['a short key', vectors.verifierKey.slice(0, -4)],
    ['a trailing newline', `${vectors.verifierKey}\n`],
    ['no name', vectors.verifierKey.slice(origin.length)],
    ['nothing', ''],
  ])('refuse a verifier key with %s', (_, text) => {
    expect(codeOf(() => parseVerifierKey(text))).toBe(INVALID);
  });
});

describe('signing keys', () => {
  it('survive export to PEM and import', () => {
    const made = generateSigningKey();
    const loaded = loadSigningKey(made.exportPem());
    expect(loaded.publicKey).toEqual(made.publicKey);
    const message = Buffer.from('message');
    const verifying = new VerifyingKey(made.publicKey);
    expect(verifying.verifies(message, loaded.sign(message))).toBe(true);
    expect(verifying.verifies(Buffer.from('massage'), loaded.sign(message))).toBe(false);
    expect(verifying.verifies(message, loaded.sign(message).subarray(1))).toBe(false);
    expect(
      new VerifyingKey(generateSigningKey().publicKey).verifies(message, loaded.sign(message)),
    ).toBe(false);
  });

  it('are Ed25519 and nothing else', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    expect(() => loadSigningKey(other.export({ type: 'pkcs8', format: 'pem' }).toString())).toThrow(
      TypeError,
    );
    expect(() => loadSigningKey('not a key')).toThrow();
    expect(() => new VerifyingKey(Buffer.alloc(31))).toThrow(RangeError);
  });
});
