import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import {
  UNVERIFIED,
  type ImageTrust,
  type Statement,
  type TrustAnchor,
} from '../../domain/posture/image-trust.ts';
import type { Signer } from '../../domain/posture/trusted-identity.ts';
import { allRows, ATTESTATIONS } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import { openRow, type KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { Turns } from '../../broker/kernel/turns.ts';
import type { AttestationReader } from './attestation-reader.ts';
import {
  MOST_SIGNATURE_BYTES,
  parseAttestation,
  type ParsedAttestation,
} from './parse-attestation.ts';
import {
  anchorId,
  contentOf,
  verifiedSigner,
  type AttestationContent,
  type Signers,
} from './read-attestation.ts';
import type { Follower } from '../../broker/state/followers.ts';

type Row = Tables['attestations'];

/** A signature or attestation as its row has it. */
export interface AttestationFacts {
  readonly digest: string;
  readonly id: string;
  readonly body: Uint8Array;
  readonly createdAt: number;
  readonly createdBy: string;
  /** Prefixes of the repositories for whose images it counts; empty: all. */
  readonly scope: readonly string[];
  /** False if no authority of a profile had signed it when it was pushed. */
  readonly isRecognized: boolean;
  /** Content that the thread read in the body; undefined in rows of earlier releases. */
  readonly content?: AttestationContent | undefined;
  /** The verified signers among the authorities of the profiles at the push. */
  readonly signers?: Signers | undefined;
}

/** A stored signature or attestation of one image. */
export interface Attestation extends Omit<AttestationFacts, 'content' | 'signers'>, Statement {
  readonly scope: readonly string[];
  /** Names what was signed and the signature, whatever else the pushed bytes contain. */
  readonly signed: string;
  /** Signers found so far; null for an authority that did not sign. */
  readonly signers: Map<string, Signer | null>;
}

/** The column `read` of a row. */
interface StoredContent extends AttestationContent {
  readonly v: typeof READ_VERSION;
  readonly signers: readonly (readonly [string, Signer])[];
}

/** Another version is read again from the body. */
const READ_VERSION = 1;

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

/**
 * Verifications by keys that one evaluation may do on the event loop, in parts of 0.1 ms. The push verified the signature by all authorities of that
 * time, so only those of later profiles and of rows of earlier releases are left. The thread does the others: a certificate costs
 * milliseconds, and so does a large statement.
 */
const MOST_PARTS = 500;
/** Bytes of the worst body that are read in one part. */
const BYTES_OF_PART = 850;
const PARTS_OF_KEY = 2;
/** Results of verifications that memory keeps for an attestation. */
const MOST_SIGNERS = 512;
/** The tenant of the thread for verifications that no caller waits for. */
const UPKEEP = 'verification';

/**
 * All signatures and attestations of images, in memory, because a decision about a read does not wait for the store. Their number
 * and size are bounded. After a change of kind `attestation` it reads the ones of one image again.
 */
export class Attestations {
  readonly #store: Store;
  readonly #rows: KeyringRowMacs;
  readonly #byDigest = new Map<string, readonly Attestation[]>();
  #count = 0;
  #bytes = 0;
  #generation = 0;

  readonly #reader: Pick<AttestationReader, 'read'>;
  readonly #unverified = new Map<Attestation, Map<string, TrustAnchor>>();
  readonly #inThread = new Set<Attestation>();
  /** Turns of tenants: a push is decided when the one before it is counted. */
  readonly turns = new Turns();

  constructor(store: Store, rows: KeyringRowMacs, reader: Pick<AttestationReader, 'read'>) {
    this.#store = store;
    this.#rows = rows;
    this.#reader = reader;
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

  /** Reads the attestations of one image again. It keeps the signers that were found. */
  async refresh(digest: string): Promise<void> {
    const read: Attestation[] = [];
    for await (const row of listAll(this.#store, ATTESTATIONS.ofDigest(digest))) {
      const opened = this.#open(row);
      if (opened === undefined) continue;
      const known = this.of(digest).find(({ id }) => id === opened.id)?.signers ?? [];
      keepSigners(opened.signers, known);
      read.push(opened);
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

  /** Signatures as far as they are verified; it verifies none. */
  readonly verified: ImageTrust = {
    of: (digest) => this.of(digest),
    signerOf: (statement, by) => (statement as Attestation).signers.get(anchorId(by)) ?? undefined,
  };

  /** Signatures for one evaluation, which verifies a bounded number of them. The thread verifies the others. */
  verifying(): ImageTrust {
    let left = MOST_PARTS;
    return {
      of: (digest) => this.of(digest),
      signerOf: (statement, by) => {
        const attestation = statement as Attestation;
        const { signers, body } = attestation;
        const id = anchorId(by);
        const known = signers.get(id);
        if (known !== undefined) return known ?? undefined;
        if ('root' in by || body.length > MOST_SIGNATURE_BYTES || left <= 0) {
          this.#verifyLater(attestation, by);
          return UNVERIFIED;
        }
        left -= PARTS_OF_KEY + body.length / BYTES_OF_PART;
        const parsed = readStored(body);
        const signer = parsed && verifiedSigner(parsed, by);
        keepSigners(signers, [[id, signer ?? null]]);
        return signer;
      },
    };
  }

  #verifyLater(attestation: Attestation, by: TrustAnchor): void {
    const anchors = this.#unverified.get(attestation);
    if (anchors !== undefined) {
      anchors.set(anchorId(by), by);
      return;
    }
    const all = new Map([[anchorId(by), by]]);
    this.#unverified.set(attestation, all);
    // After the evaluation, so that one task has all authorities that it asked for.
    queueMicrotask(() => {
      this.#unverified.delete(attestation);
      if (!this.#inThread.has(attestation))
        void this.#verifyInThread(attestation, [...all.values()]);
    });
  }

  async #verifyInThread(attestation: Attestation, anchors: readonly TrustAnchor[]): Promise<void> {
    const { digest, body, signers } = attestation;
    const work = { tenant: UPKEEP, signal: new AbortController().signal, spend: () => undefined };
    this.#inThread.add(attestation);
    try {
      const read = await this.#reader.read(work, body, anchors);
      keepSigners(signers, read.signers);
    } catch (error) {
      // The next evaluation asks again.
      if (BrokerError.from(error).code === 'ERR_BUSY') return;
      keepSigners(
        signers,
        anchors.map((anchor) => [anchorId(anchor), null]),
      );
    } finally {
      this.#inThread.delete(attestation);
    }
    // Another list: verdicts that read it are made again.
    const list = this.of(digest);
    if (list.includes(attestation)) this.#keep(digest, [...list]);
    // Without a commit, or without keys, the next start verifies it again.
    await this.#storeSigners(attestation).catch(() => undefined);
  }

  /** Stores what was verified, so that no start verifies it again. */
  async #storeSigners(attestation: Attestation): Promise<void> {
    const { id, digest, signers, isRecognized } = attestation;
    // A push may meanwhile store that an authority signed it.
    if (!isRecognized || [...signers.values()].every((signer) => signer === null)) return;
    const put = this.rowOf({ ...attestation, content: attestation });
    await this.#store.commit({
      expect: [{ table: 'attestations', key: { digest, id }, match: { id } }],
      writes: [{ table: 'attestations', put }],
      invalidates: [`attestation:${digest}`],
    });
  }

  rowOf({ digest, id, body, scope, isRecognized, ...made }: AttestationFacts): Row {
    const fields = {
      digest,
      id,
      body,
      created_at: made.createdAt,
      created_by: made.createdBy,
      scope: scope.length === 0 ? null : JSON.stringify(scope),
      recognized: isRecognized ? null : 0,
      read: made.content === undefined ? null : storedContent(made.content, made.signers),
    };
    return { ...fields, mac: this.#rows.mac('attestations', macColumns(fields)) };
  }

  /** Reads a row; undefined if this build does not read it any more: then it does not count. */
  #open(row: Row): Attestation | undefined {
    this.#rows.verify('attestations', macColumns(row), row.mac);
    const known = row.read === null ? undefined : (JSON.parse(row.read) as StoredContent);
    const isKnown = known?.v === READ_VERSION;
    const parsed = isKnown ? undefined : readStored(row.body);
    const content = isKnown ? known : parsed && contentOf(parsed);
    if (content === undefined) return undefined;
    const { digest, id, body, created_at: createdAt, created_by: createdBy } = row;
    const scope = row.scope === null ? [] : (JSON.parse(row.scope) as string[]);
    const facts = { digest, id, body, createdAt, createdBy, scope };
    const signers = new Map(isKnown ? known.signers : []);
    return openedAttestation({ ...facts, isRecognized: row.recognized !== 0, content, signers });
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

/** An attestation of its facts. */
export function openedAttestation({
  content: { type, repository, builder, scannedAt, signed },
  signers,
  ...facts
}: AttestationFacts & { readonly content: AttestationContent }): Attestation {
  const known = new Map(signers);
  return { ...facts, type, repository, builder, scannedAt, signed, signers: known };
}

function storedContent(
  { type, repository, builder, scannedAt, signed }: AttestationContent,
  signers: Signers = new Map(),
): string {
  const found = [...signers].flatMap(([id, signer]) =>
    signer === null ? [] : [[id, signer] as const],
  );
  const stored: StoredContent = {
    v: READ_VERSION,
    type,
    repository,
    builder,
    scannedAt,
    signed,
    signers: found,
  };
  return JSON.stringify(stored);
}

/** Keeps a bounded number of results, the newest: drafts of profiles may name any keys. */
export function keepSigners(
  signers: Map<string, Signer | null>,
  found: Iterable<readonly [string, Signer | null]>,
): void {
  for (const [id, signer] of found) {
    const [oldest] = signers.keys();
    if (signers.size >= MOST_SIGNERS && oldest !== undefined) signers.delete(oldest);
    signers.set(id, signer);
  }
}

function readStored(body: Uint8Array): ParsedAttestation | undefined {
  try {
    return parseAttestation(JSON.parse(Buffer.from(body).toString()));
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
