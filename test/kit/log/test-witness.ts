import {
  createHash,
  generateKeyPairSync,
  sign,
  verify,
  createPublicKey,
  type KeyObject,
} from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Prefix of an Ed25519 public key in DER (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const COSIGNATURE_V1 = 4;
const LOG_SIGNATURE = 1;

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly type?: string;
}

/** The newest checkpoint that a witness cosigned for one origin. */
interface Seen {
  readonly size: number;
  readonly root: Buffer;
}

interface Request {
  readonly old: number;
  readonly proof: readonly Buffer[];
  readonly text: string;
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly signatures: readonly string[];
}

/** Deviations of a witness from the specification. */
export type Misbehaviour =
  /** Signs with a key that is not its own. */
  | 'other_key'
  /** Signs a tree of another size than the one submitted. */
  | 'other_text'
  /** Signs another root of the size that was submitted. */
  | 'other_root'
  /** `credulous`: it cosigns every checkpoint of the log, without a proof. */
  | 'credulous'
  /** `silent`: it never answers. */
  | 'silent';

/**
 * A witness, written from C2SP tlog-witness, tlog-cosignature and signed-note alone: it shares no code with the broker. It keeps one checkpoint for
 * each origin and refuses forks.
 */
export class TestWitness {
  readonly name: string;
  /** Verifier key of the witness. */
  readonly key: string;
  /** Bodies of all requests, oldest first. */
  readonly requests: string[] = [];
  /** Statuses of all answers, oldest first. */
  readonly statuses: number[] = [];
  misbehaviour: Misbehaviour | undefined;
  /** Answer to give instead of the one that the specification requires. */
  answer: Answer | undefined;
  /** Seconds since the epoch. */
  now: () => number = () => Math.floor(Date.now() / 1_000);
  readonly #private: KeyObject;
  readonly #keyId: Buffer;
  readonly #logs = new Map<string, string>();
  readonly #seen = new Map<string, Seen>();
  readonly #server: Server;

  private constructor(name: string) {
    this.name = name;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    this.#private = privateKey;
    this.#keyId = keyId(name, COSIGNATURE_V1, raw);
    const material = Buffer.concat([Buffer.of(COSIGNATURE_V1), raw]).toString('base64');
    this.key = `${name}+${this.#keyId.toString('hex')}+${material}`;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (this.misbehaviour === 'silent') return;
        const body = Buffer.concat(chunks).toString('utf8');
        const isCall = request.method === 'POST' && request.url === '/add-checkpoint';
        const {
          status,
          body: text = '',
          type = 'text/plain',
        } = isCall ? this.#take(body) : { status: 404 };
        response.writeHead(status, { 'content-type': type }).end(text);
      });
    });
  }

  /** Starts a witness that accepts checkpoints under these verifier keys of logs. */
  static async start(name: string, logKeys: readonly string[] = []): Promise<TestWitness> {
    const witness = new TestWitness(name);
    for (const logKey of logKeys) witness.trust(logKey);
    await new Promise<void>((resolve) => witness.#server.listen(0, '127.0.0.1', resolve));
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  trust(logKey: string): void {
    this.#logs.set(logKey.split('+')[0] ?? '', logKey);
  }

  /** The size of the tree that it cosigned last. */
  sizeOf(origin: string): number {
    return this.#seen.get(origin)?.size ?? 0;
  }

  /** Forgets its cosigned checkpoints, as after a restore of an old backup. */
  rollBack(origin: string, seen?: Seen): void {
    if (seen === undefined) this.#seen.delete(origin);
    else this.#seen.set(origin, seen);
  }

  seenOf(origin: string): Seen | undefined {
    return this.#seen.get(origin);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(body: string): Answer {
    this.requests.push(body);
    const answer = this.answer ?? this.#judge(body);
    this.statuses.push(answer.status);
    return answer;
  }

  #judge(body: string): Answer {
    const request = parseRequest(body);
    if (request === undefined) return { status: 400 };
    const { origin, old, size, root, proof } = request;
    const logKey = this.#logs.get(origin);
    if (logKey === undefined) return { status: 404 };
    if (!isSigned(request, logKey)) return { status: 403 };
    if (old > size) return { status: 400 };
    if (this.misbehaviour !== 'credulous') {
      const seen = this.#seen.get(origin) ?? { size: 0, root: hash() };
      const conflict = { status: 409, body: `${seen.size}\n`, type: 'text/x.tlog.size' };
      if (old !== seen.size) return conflict;
      if (old === size && !root.equals(seen.root)) return conflict;
      if (!isConsistent(seen, { size, root }, proof)) return { status: 422 };
    }
    this.#seen.set(origin, { size, root });
    return { status: 200, body: this.#cosign(request.text) };
  }

  /** The checkpoint that it signs instead of the one submitted. */
  #shown(text: string): string {
    if (this.misbehaviour === 'other_text') return text.replace(/\n\d+\n/, '\n1\n');
    if (this.misbehaviour !== 'other_root') return text;
    const [origin, size] = text.split('\n');
    return `${origin}\n${size}\n${hash(Buffer.from('another tree')).toString('base64')}\n`;
  }

  #cosign(text: string): string {
    const time = this.now();
    const shown = this.#shown(text);
    const message = Buffer.from(`cosignature/v1\ntime ${time}\n${shown}`);
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(time));
    if (this.misbehaviour === 'other_key') {
      const other = generateKeyPairSync('ed25519');
      const raw = other.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
      const id = keyId(this.name, COSIGNATURE_V1, raw);
      return line(this.name, [id, stamp, sign(null, message, other.privateKey)]);
    }
    return line(this.name, [this.#keyId, stamp, sign(null, message, this.#private)]);
  }
}

function line(name: string, parts: readonly Buffer[]): string {
  return `\u2014 ${name} ${Buffer.concat(parts).toString('base64')}\n`;
}

function hash(...parts: readonly Uint8Array[]): Buffer {
  return parts.reduce((state, part) => state.update(part), createHash('sha256')).digest();
}

function keyId(name: string, type: number, publicKey: Uint8Array): Buffer {
  return hash(Buffer.from(`${name}\n`), Buffer.of(type), publicKey).subarray(0, 4);
}

function parseRequest(body: string): Request | undefined {
  const end = body.indexOf('\n\n');
  const [first = '', ...proof] = body.slice(0, end).split('\n');
  const [, old] = /^old (0|[1-9]\d*)$/.exec(first) ?? [];
  const note = body.slice(end + 2);
  const split = note.indexOf('\n\n');
  const [origin, size, root, ...more] = note.slice(0, split).split('\n');
  const signatures = note.slice(split + 2).split('\n');
  if (old === undefined || end < 0 || split < 0 || proof.length > 63) return undefined;
  if (origin === undefined || root === undefined || more.length > 0) return undefined;
  if (signatures.pop() !== '' || !/^(0|[1-9]\d*)$/.test(size ?? '')) return undefined;
  const hashes = proof.map((each) => Buffer.from(each, 'base64'));
  if (hashes.some((each) => each.length !== 32)) return undefined;
  return {
    old: Number(old),
    proof: hashes,
    text: note.slice(0, split + 1),
    origin,
    size: Number(size),
    root: Buffer.from(root, 'base64'),
    signatures,
  };
}

function isSigned({ text, signatures }: Request, logKey: string): boolean {
  const [, name = '', encoded = ''] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(logKey) ?? [];
  const raw = Buffer.from(encoded, 'base64').subarray(1);
  const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
  const prefix = `\u2014 ${name} `;
  return signatures.some((each) => {
    if (!each.startsWith(prefix)) return false;
    const bytes = Buffer.from(each.slice(prefix.length), 'base64');
    const isOfKey = bytes.subarray(0, 4).equals(keyId(name, LOG_SIGNATURE, raw));
    return isOfKey && verify(null, Buffer.from(text), key, bytes.subarray(4));
  });
}

/** RFC 6962 section 2.1.2, read backwards: takes hashes from the end of the proof and computes both roots. */
function isConsistent(first: Seen, second: Seen, proof: readonly Buffer[]): boolean {
  if (first.size === 0 || first.size === second.size) return proof.length === 0;
  const rest = [...proof];
  const roots = subproof(first.size, second.size, true, { first, rest });
  if (roots === undefined || rest.length > 0) return false;
  return roots.old.equals(first.root) && roots.new.equals(second.root);
}

function subproof(
  m: number,
  n: number,
  isWhole: boolean,
  from: { readonly first: Seen; readonly rest: Buffer[] },
): { readonly old: Buffer; readonly new: Buffer } | undefined {
  if (m === n) {
    const same = isWhole ? from.first.root : from.rest.pop();
    return same && { old: same, new: same };
  }
  const k = 2 ** Math.ceil(Math.log2(n) - 1);
  const other = from.rest.pop();
  if (other === undefined) return undefined;
  if (m <= k) {
    const left = subproof(m, k, isWhole, from);
    return left && { old: left.old, new: node(left.new, other) };
  }
  const right = subproof(m - k, n - k, false, from);
  return right && { old: node(other, right.old), new: node(other, right.new) };
}

function node(left: Buffer, right: Buffer): Buffer {
  return hash(Buffer.of(1), left, right);
}
