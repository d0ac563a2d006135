import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { isSignedBy, signerKey } from '../../crypto/signatures/image-signature.ts';
import { TrustRoot } from '../../crypto/signatures/keyless-signature.ts';
import type {
  ImageTrust,
  PinnedKey,
  PinnedRoot,
  Statement,
  TrustAnchor,
} from '../../domain/posture/image-trust.ts';
import type { Signer } from '../../domain/posture/trusted-identity.ts';
import { allRows, ATTESTATIONS } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import { listAll } from '../kernel/list-all.ts';
import { openRow, type KeyringRowMacs } from '../kernel/row-macs.ts';
import { parseAttestation, type ParsedAttestation } from './parse-attestation.ts';
import type { Follower } from '../state/followers.ts';

type Row = Tables['attestations'];

/** A stored signature or attestation of one image. */
export interface Attestation extends Statement {
  readonly digest: string;
  readonly body: Uint8Array;
  readonly createdBy: string;
  /** False if no authority of a profile had signed it when it was pushed. */
  readonly isRecognized: boolean;
  /** Names what was signed and the signature, whatever else the pushed bytes contain. */
  readonly signed: string;
}

/** The facts of an attestation that its row has, besides those in the body. */
export type AttestationFacts = Pick<
  Attestation,
  'digest' | 'id' | 'body' | 'createdAt' | 'createdBy' | 'scope' | 'isRecognized'
>;

interface VerifiedSigner {
  readonly signer: Signer | undefined;
}

const NONE: readonly Attestation[] = [];

/** Derives the id: the same bytes for the same image are one attestation. Those of a writer with a scope count for other images, so they are another. */
export function attestationId(
  digest: string,
  body: Uint8Array,
  scope: readonly string[] = [],
): string {
  const counted = scope.length === 0 ? '' : `${JSON.stringify(scope)}\n`;
  return `att_${sha256Hex(digest, '\n', counted, body).slice(0, 32)}`;
}

/** Names a signature of a message. Members that no check reads, in any number of copies, do not make another of it. */
function signedId({ message, signature }: ParsedAttestation): string {
  return sha256Hex(sha256Hex(message), sha256Hex(signature));
}

/**
 * All signatures and attestations of images, in memory, because a decision about a read does not wait for the store. Their number
 * and size are bounded. After a change of kind `attestation` it reads the ones of one image again.
 */
export class Attestations implements ImageTrust {
  readonly #store: Store;
  readonly #rows: KeyringRowMacs;
  readonly #byDigest = new Map<string, readonly Attestation[]>();
  #count = 0;
  #bytes = 0;
  #generation = 0;
  /** The verified signers, by key or root of a profile. Results end with the object of the profile or of the attestation. */
  readonly #signers = new WeakMap<object, WeakMap<Statement, VerifiedSigner>>();
  readonly #roots = new WeakMap<PinnedRoot, { readonly root: TrustRoot | undefined }>();

  constructor(store: Store, rows: KeyringRowMacs) {
    this.#store = store;
    this.#rows = rows;
  }

  /**
   * Reads all of them. In a held store, altered ones are skipped.
   * @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write.
   */
  async load(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('attestations'))) {
      const opened = openRow(this.#store, () => this.#open(row));
      if (opened !== undefined) this.#keep(row.digest, [...this.of(row.digest), opened]);
    }
  }

  /** Reads the attestations of one image again. */
  async refresh(digest: string): Promise<void> {
    const read: Attestation[] = [];
    for await (const row of listAll(this.#store, ATTESTATIONS.ofDigest(digest))) {
      const opened = this.#open(row);
      if (opened !== undefined) read.push(opened);
    }
    this.#keep(digest, read);
  }

  /** Changes with each change of an attestation: a verdict made before is not valid any more. */
  get generation(): number {
    return this.#generation;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  of(digest: string): readonly Attestation[] {
    return this.#byDigest.get(digest) ?? NONE;
  }

  /** All attestations, in no order. */
  *each(): Iterable<Attestation> {
    for (const list of this.#byDigest.values()) yield* list;
  }

  /** Lists attestations, ordered by digest, then by id. */
  all(): readonly Attestation[] {
    return [...this.#byDigest.keys()].sort().flatMap((digest) => this.of(digest));
  }

  find(id: string): Attestation | undefined {
    for (const each of this.#byDigest.values()) {
      const found = each.find((attestation) => attestation.id === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  signerOf(statement: Statement, by: TrustAnchor): Signer | undefined {
    const anchor = 'key' in by ? by.key : by.root;
    const known = this.#signers.get(anchor) ?? new WeakMap<Statement, VerifiedSigner>();
    this.#signers.set(anchor, known);
    const result = known.get(statement) ?? { signer: this.#verified(statement as Attestation, by) };
    known.set(statement, result);
    return result.signer;
  }

  #verified({ body }: Attestation, by: TrustAnchor): Signer | undefined {
    const parsed = readStored(body);
    if (parsed === undefined) return undefined;
    return 'key' in by ? keySigner(parsed, by.key) : this.#keylessSigner(parsed, by.root);
  }

  #keylessSigner({ keyless, message }: ParsedAttestation, json: PinnedRoot): Signer | undefined {
    if (keyless === undefined) return undefined;
    const known = this.#roots.get(json) ?? { root: rootOf(json) };
    this.#roots.set(json, known);
    return known.root?.signerOf(keyless, message);
  }

  seal({ digest, id, body, scope, isRecognized, ...made }: AttestationFacts): Row {
    const fields = {
      digest,
      id,
      body,
      created_at: made.createdAt,
      created_by: made.createdBy,
      scope: scope.length === 0 ? null : JSON.stringify(scope),
      recognized: isRecognized ? null : 0,
    };
    return { ...fields, mac: this.#rows.mac('attestations', macColumns('attestations', fields)) };
  }

  /** Reads a row; undefined if this build does not read it any more: then it does not count. */
  #open(row: Row): Attestation | undefined {
    this.#rows.verify('attestations', macColumns('attestations', row), row.mac);
    const parsed = readStored(row.body);
    if (parsed === undefined) return undefined;
    const { digest, id, body, created_at: createdAt, created_by: createdBy } = row;
    const scope = row.scope === null ? [] : (JSON.parse(row.scope) as string[]);
    const facts = { digest, id, body, createdAt, createdBy, scope };
    return openedAttestation({ ...facts, isRecognized: row.recognized !== 0 }, parsed);
  }

  #keep(digest: string, now: readonly Attestation[]): void {
    const before = this.of(digest);
    this.#count += now.length - before.length;
    this.#bytes += bytesOf(now) - bytesOf(before);
    this.#generation += 1;
    if (now.length === 0) this.#byDigest.delete(digest);
    else this.#byDigest.set(digest, now);
  }
}

/** An attestation of its facts and what its body says. */
export function openedAttestation(facts: AttestationFacts, parsed: ParsedAttestation): Attestation {
  const { type, repository, builder, scannedAt } = parsed;
  return { ...facts, type, repository, builder, scannedAt, signed: signedId(parsed) };
}

function readStored(body: Uint8Array): ParsedAttestation | undefined {
  try {
    return parseAttestation(JSON.parse(Buffer.from(body).toString()));
  } catch {
    return undefined;
  }
}

function keySigner(
  { message, signature }: ParsedAttestation,
  { pem }: PinnedKey,
): Signer | undefined {
  const key = signerKey(pem);
  return key !== undefined && isSignedBy(key, message, signature) ? { keyId: key.id } : undefined;
}

/** A root that does not parse trusts no signer. */
function rootOf(json: PinnedRoot): TrustRoot | undefined {
  try {
    return new TrustRoot(json);
  } catch {
    return undefined;
  }
}

function bytesOf(attestations: readonly Attestation[]): number {
  return attestations.reduce((sum, { body }) => sum + body.length, 0);
}

/** Keeps them current. */
export function attestationFollower(attestations: Attestations): Follower {
  return {
    kinds: ['attestation'],
    load: () => attestations.load(),
    refresh: (digest) => attestations.refresh(digest),
  };
}
