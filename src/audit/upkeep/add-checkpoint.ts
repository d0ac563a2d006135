import type { IncomingMessage } from 'node:http';
import { cosignaturesOf, type Cosignature } from '../../crypto/log/cosignature.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { socketFailure } from '../../net/socket-failure.ts';

/** Reasons why a witness gave no cosignature. */
export type WitnessFault =
  /** The witness sent no response in time, or one that does not follow the protocol. */
  | 'unreachable'
  /** The response has an unexpected status, such as 429 or 500. */
  | 'refused'
  /** 404: the witness does not know the origin of this log. */
  | 'unknown_log'
  /** 403: the witness knows another key for this log; litewitness 0.6.1 also returns it for an unknown origin. */
  | 'unknown_log_key'
  /** The response has no cosignature by the configured key. */
  | 'other_key'
  /** The cosignature by the configured key does not verify for this checkpoint. */
  | 'bad_cosignature'
  /** The witness has cosigned another tree under this origin. */
  | 'other_tree'
  /** The witness has cosigned a larger tree under this origin: this log was rolled back, or two logs share the origin. */
  | 'ahead'
  /** The witness lost a checkpoint that it cosigned. */
  | 'rolled_back';

/** Faults that contradict a signed statement of the log or of the witness. No outage explains them. */
const CONTRADICTIONS: readonly WitnessFault[] = [
  'other_key',
  'bad_cosignature',
  'other_tree',
  'ahead',
  'rolled_back',
];

export class WitnessError extends Error {
  override readonly name = 'WitnessError';
  readonly fault: WitnessFault;

  constructor(fault: WitnessFault, message: string) {
    super(message);
    this.fault = fault;
  }

  get isContradiction(): boolean {
    return CONTRADICTIONS.includes(this.fault);
  }
}

/** A checkpoint for a witness, and the proof that it extends the tree that the witness cosigned last. */
export interface Submission {
  /** Size of the tree that the witness cosigned last; 0 for none. */
  readonly old: number;
  /** Empty if `old` is 0 or the size of the checkpoint. */
  readonly proof: readonly Uint8Array[];
  /** The signed checkpoint. */
  readonly note: string;
}

/** The address and key of one witness. */
export interface WitnessAddress {
  readonly url: string;
  readonly verifier: NoteVerifier;
  readonly caFile?: string | undefined;
}

const DEADLINE_MS = 10_000;
const MOST_BYTES = 65_536;
const MOST_PROOF_LINES = 63;
/** A cosignature from the far future would make every later one look old. */
const MOST_AHEAD_SECONDS = 3_600;
const SIZE = /^(?:0|[1-9][0-9]{0,15})\n$/;

/** The body of `add-checkpoint` (C2SP tlog-witness). */
export function submissionText({ old, proof, note }: Submission): string {
  if (proof.length > MOST_PROOF_LINES) throw new RangeError('a proof has at most 63 hashes');
  const hashes = proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`);
  return `old ${old}\n${hashes.join('')}\n${note}`;
}

/** One witness, over C2SP tlog-witness. Everything that it answers is attacker-controlled until a cosignature verifies. */
export class WitnessClient {
  readonly #address: WitnessAddress;
  readonly #clock: Pick<Clock, 'now' | 'after'>;
  readonly #ca: WatchedFile | undefined;
  #http: HttpClient | undefined;
  #trusted: string | undefined;

  constructor(address: WitnessAddress, clock: Pick<Clock, 'now' | 'after'>) {
    this.#address = address;
    this.#clock = clock;
    this.#ca = address.caFile === undefined ? undefined : new WatchedFile(address.caFile);
  }

  /**
   * Returns the cosignature, or the size of the tree that the witness cosigned last if that is not `old` (409).
   * @throws WitnessError
   */
  async add(submission: Submission): Promise<Cosignature | number> {
    const { status, body } = await this.#post(submissionText(submission));
    if (status === 200) return this.#cosignature(submission.note, body);
    if (status === 409) return conflictSize(submission, body);
    if (status === 404)
      throw new WitnessError('unknown_log', 'the witness does not know the origin of this log');
    if (status === 403)
      throw new WitnessError(
        'unknown_log_key',
        'the witness knows no such log, or another key of it',
      );
    if (status === 422)
      throw new WitnessError(
        'other_tree',
        `the witness refuses the proof: it cosigned another tree of ${submission.old} entries under this origin`,
      );
    throw new WitnessError('refused', `the witness answered ${status}`);
  }

  close(): void {
    this.#http?.close();
  }

  async #post(body: string): Promise<{ readonly status: number; readonly body: string }> {
    const { url } = this.#address;
    const target = new URL(`${url.replace(/\/$/, '')}/add-checkpoint`);
    return withDeadline(this.#clock, DEADLINE_MS, async (signal) => {
      let response: IncomingMessage | undefined;
      try {
        const http = this.#clientFor(await this.#ca?.text());
        response = await http.open({ method: 'POST', url: target, body, signal });
        const bytes = await readBody(response, MOST_BYTES);
        return { status: response.statusCode ?? 0, body: bytes.toString('utf8') };
      } catch (error) {
        response?.destroy();
        const why = signal.aborted
          ? `no answer within ${DEADLINE_MS / 1_000} s`
          : socketFailure(error).message;
        throw new WitnessError('unreachable', `the witness could not be asked: ${why}`);
      }
    });
  }

  #clientFor(ca: string | undefined): HttpClient {
    if (this.#http === undefined || ca !== this.#trusted) {
      this.#http?.close();
      const tls = this.#address.url.startsWith('http:')
        ? 'off'
        : { ...(ca !== undefined && { ca }) };
      this.#http = new HttpClient({ tls, maxSockets: 1 });
      this.#trusted = ca;
    }
    return this.#http;
  }

  #cosignature(note: string, lines: string): Cosignature {
    const { verifier } = this.#address;
    let found: Cosignature | undefined;
    try {
      [found] = cosignaturesOf(note + lines, [verifier]);
    } catch {
      throw new WitnessError(
        'bad_cosignature',
        'the cosignature of the witness does not verify for this checkpoint',
      );
    }
    if (found === undefined)
      throw new WitnessError(
        'other_key',
        `the answer has no cosignature by the key of ${verifier.name}`,
      );
    if (found.time > this.#clock.now() / 1_000 + MOST_AHEAD_SECONDS)
      throw new WitnessError('bad_cosignature', 'the time of the cosignature is in the future');
    return found;
  }
}

/** Reads the size of a 409 response. The spec also returns 409 if the sizes are equal and the roots are not: no other `old` helps then. */
function conflictSize({ old }: Submission, body: string): number {
  if (!SIZE.test(body))
    throw new WitnessError('refused', 'the witness answered 409 without the size of its tree');
  const size = Number(body);
  if (!Number.isSafeInteger(size))
    throw new WitnessError('refused', 'the size that the witness answered is too large');
  if (size === old)
    throw new WitnessError(
      'other_tree',
      `the witness cosigned another tree of ${size} entries under this origin`,
    );
  return size;
}
