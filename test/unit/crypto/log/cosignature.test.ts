import { readFileSync } from 'node:fs';
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { submissionText } from '../../../../src/audit/upkeep/add-checkpoint.ts';
import {
  cosignaturesOf,
  cosignedMessage,
  parseWitnessKey,
} from '../../../../src/crypto/log/cosignature.ts';
import { splitNote } from '../../../../src/crypto/log/signed-note.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

interface WitnessVectors {
  readonly publicKey: string;
  readonly witnessKey: string;
  readonly checkpoint: string;
  readonly time: number;
  readonly message: string;
  readonly cosignature: string;
  readonly submission: { readonly old: number; readonly proof: string[]; readonly body: string };
  readonly cases: { name: string; why: string; lines: string[]; expect: number[] | string }[];
}

const vectors = JSON.parse(readFileSync('test/vectors/witness-v1.json', 'utf8')) as WitnessVectors;
const witness = parseWitnessKey(vectors.witnessKey);

describe('cosignatures', () => {
  it('sign the time and the whole text of the checkpoint', () => {
    const { text } = splitNote(vectors.checkpoint);
    expect(cosignedMessage(vectors.time, text).toString()).toBe(vectors.message);
    const bytes = Buffer.from(vectors.cosignature.split(' ')[2] ?? '', 'base64');
    const spki = Buffer.from(`302a300506032b6570032100${vectors.publicKey}`, 'hex');
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(verify(null, Buffer.from(vectors.message), key, bytes.subarray(12))).toBe(true);
  });

  it.each(vectors.cases)('equal the frozen vector $name ($why)', ({ lines, expect: expected }) => {
    const note = vectors.checkpoint + lines.map((line) => `${line}\n`).join('');
    const read = (): unknown => cosignaturesOf(note, [witness]).map(({ time }) => time);
    if (typeof expected === 'string') expect(codeOf(read)).toBe(expected);
    else expect(read()).toEqual(expected);
  });

  it('have no key of a log, nor a key with another ID', () => {
    const log = 'quaymaster.example/log+d0b052a9+ATHHk2fC03x88ONAGkh6T2h1npS3e5bz+y6SuaGAC8tr';
    const renamed = vectors.witnessKey.replace('/w1+', '/w2+');
    for (const text of [log, renamed, '', `${vectors.witnessKey}=`])
      expect(codeOf(() => parseWitnessKey(text))).toBe('ERR_CIPHERTEXT_INVALID');
  });
});

describe('a submission', () => {
  it('equals the frozen bytes', () => {
    const { old, proof, body } = vectors.submission;
    const hashes = proof.map((hash) => Buffer.from(hash, 'hex'));
    expect(submissionText({ old, proof: hashes, note: vectors.checkpoint })).toBe(body);
  });

  it('has at most 63 hashes', () => {
    const proof = Array.from({ length: 64 }, () => Buffer.alloc(32));
    expect(() => submissionText({ old: 1, proof, note: vectors.checkpoint })).toThrow(RangeError);
  });
});
