import type { Schema } from './client.ts';

/** The result of a verification in the browser. */
export type Verdict =
  | { readonly is: 'proven'; readonly size: number; readonly origin: string }
  | { readonly is: 'wrong'; readonly why: string };

/**
 * Verifies that the signed checkpoint covers the entry (internals/spec/checkpoint-v1.md): the inclusion proof of RFC 9162 section 2.1.3.2, and the Ed25519
 * signature by the verifier key of the log. It trusts the key that the broker names; compare its hash with a copy that you trust.
 */
async function verifyEntry(proof: Schema<'EntryProof'>, logKey: string): Promise<Verdict> {
  const [origin = '', sizeText = '', rootText = ''] = proof.checkpoint.split('\n');
  const size = Number(sizeText);
  if (!(await isSigned(proof.checkpoint, logKey.trim())))
    return { is: 'wrong', why: 'the signature of the checkpoint does not verify' };
  const leaf = await sha256(new Uint8Array([0]), new TextEncoder().encode(proof.entry));
  const root = await rootOf(leaf, proof.index, size, proof.hashes.map(bytesOf));
  if (root === undefined || base64(root) !== rootText)
    return { is: 'wrong', why: 'the checkpoint does not cover this entry' };
  return { is: 'proven', size, origin };
}

/** The verdict about an entry. Undefined: this browser cannot verify Ed25519. */
export async function verdictOf(
  proof: Schema<'EntryProof'>,
  key: string,
): Promise<Verdict | undefined> {
  try {
    return await verifyEntry(proof, key);
  } catch (error) {
    const isUnsupported = error instanceof DOMException && error.name === 'NotSupportedError';
    if (isUnsupported || !('subtle' in crypto)) return undefined;
    return { is: 'wrong', why: 'the proof, the checkpoint or the key is malformed' };
  }
}

/** The root of the tree by the entry and its proof; undefined if the proof has another length than the tree demands. */
async function rootOf(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Promise<Uint8Array | undefined> {
  if (!Number.isSafeInteger(size) || index >= size) return undefined;
  let [at, last] = [BigInt(index), BigInt(size - 1)];
  let root = leaf;
  for (const hash of proof) {
    if (last === 0n) return undefined;
    const isRight = at % 2n === 1n || at === last;
    root = await (isRight ? node(hash, root) : node(root, hash));
    if (isRight)
      while (at % 2n === 0n && at !== 0n) {
        at /= 2n;
        last /= 2n;
      }
    at /= 2n;
    last /= 2n;
  }
  return last === 0n ? root : undefined;
}

function node(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(new Uint8Array([1]), left, right);
}

/** Verifies the line of the key among the signatures of a note (C2SP signed-note). The key is `name+hash+base64`. */
async function isSigned(note: string, verifierKey: string): Promise<boolean> {
  const end = note.indexOf('\n\n');
  const [, name = '', key = ''] = /^(.+)\+[0-9a-f]{8}\+(.+)$/.exec(verifierKey) ?? [];
  const line = note
    .slice(end + 2)
    .split('\n')
    .find((each) => each.startsWith(`— ${name} `));
  if (end === -1 || line === undefined) return false;
  const publicKey = bytesOf(key).slice(1);
  const signature = bytesOf(line.slice(name.length + 3)).slice(4);
  const text = new TextEncoder().encode(note.slice(0, end + 1));
  const imported = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', imported, signature, text);
}

async function sha256(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const all = await new Blob(parts.map((part) => new Uint8Array(part))).arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
