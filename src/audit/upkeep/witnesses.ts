import type { Cosignature } from '../../crypto/log/cosignature.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Store } from '../../ports/store.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { SignedCheckpoint } from '../log/stored-tree.ts';
import { WitnessClient, WitnessError, type WitnessFault } from './add-checkpoint.ts';
import {
  openWitnessed,
  storedWitnessed,
  witnessedWrite,
  type WitnessedCheckpoint,
} from '../log/witnessed-checkpoint.ts';

/** Interval of submissions while the log grows: witnesses serve many logs. */
const INTERVAL_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
/** Most requests to one witness in a round, if it answers 409 each time. */
const MOST_SUBMISSIONS = 3;

/** A witness as the configuration names it. */
export interface WitnessSettings {
  readonly name: string;
  readonly url: string;
  readonly verifier: NoteVerifier;
  readonly caFile?: string | undefined;
}

export interface WitnessStatus {
  readonly name: string;
  /** Entries in the tree that it cosigned last, as far as this process knows. */
  readonly size: number;
  /** Reason why its last response gave no cosignature. */
  readonly fault: WitnessFault | undefined;
  /** Responses since the start that contradict a signed statement of the log or of the witness. */
  readonly contradictions: number;
}

export interface WitnessesStatus {
  /** Milliseconds since the epoch of the newest witnessed checkpoint, by the witnesses' clocks; undefined if there is none. */
  readonly witnessedAt: number | undefined;
  /** Number of entries in its tree. */
  readonly size: number;
  /** Milliseconds for which the log has had entries that no witnessed checkpoint covers; 0 if all are covered. */
  readonly unwitnessedMs: number;
  readonly witnesses: readonly WitnessStatus[];
}

export interface WitnessesOptions {
  readonly settings: readonly WitnessSettings[];
  /** Cosignatures that make a checkpoint witnessed. */
  readonly required: number;
  readonly reader: LogReader;
  readonly log: NoteVerifier;
  readonly store: Store;
  readonly clock: Clock;
  /** Reports whether this process appends to the log. Only that process submits to witnesses: others may know an older checkpoint. */
  readonly isActive: () => boolean;
  readonly onFault: (name: string, error: WitnessError) => void;
  /** A round failed for another reason than a witness; it will be repeated. */
  readonly onError: (error: unknown) => void;
}

interface Witness {
  readonly name: string;
  readonly verifier: NoteVerifier;
  readonly client: WitnessClient;
  size: number;
  /** Monotonic milliseconds before which the broker does not submit to it again. */
  retryAt: number;
  failures: number;
  fault: WitnessFault | undefined;
  contradictions: number;
}

/** The checkpoint that is being cosigned, with the cosignatures so far. */
interface Candidate {
  readonly checkpoint: SignedCheckpoint;
  readonly cosignatures: Map<Witness, Cosignature>;
}

/**
 * Submits checkpoints to the witnesses, apart from all requests, and keeps the newest one with enough cosignatures. A checkpoint stays the candidate
 * until enough witnesses have cosigned it, so witnesses that fail at different times still complete one.
 */
export class Witnesses {
  readonly #options: WitnessesOptions;
  readonly #witnesses: readonly Witness[];
  readonly #work: RepeatedWork;
  readonly #startedAt: number;
  #witnessed: WitnessedCheckpoint | undefined;
  #isLoaded = false;
  #newestSize = 0;
  #candidate: Candidate | undefined;
  #round: Promise<void> = Promise.resolve();

  constructor(options: WitnessesOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#work = new RepeatedWork({
      clock: options.clock,
      run: async () => {
        await this.run();
        return INTERVAL_MS;
      },
      onError: () => INTERVAL_MS,
    });
    this.#witnesses = options.settings.map((settings) => ({
      name: settings.name,
      verifier: settings.verifier,
      client: new WitnessClient(settings, options.clock),
      size: 0,
      retryAt: 0,
      failures: 0,
      fault: undefined,
      contradictions: 0,
    }));
  }

  status(): WitnessesStatus {
    const { clock } = this.#options;
    const times = this.#witnessed?.cosignatures.map(({ time }) => time * 1_000);
    const witnessedAt = times && Math.min(...times);
    const size = this.#witnessed?.size ?? 0;
    const since = witnessedAt ?? this.#startedAt;
    return {
      witnessedAt,
      size,
      unwitnessedMs: this.#newestSize > size ? Math.max(0, clock.now() - since) : 0,
      witnesses: this.#witnesses.map(({ name, size: last, fault, contradictions }) => {
        return { name, size: last, fault, contradictions };
      }),
    };
  }

  start(): void {
    this.#work.startAfter(0);
  }

  async close(): Promise<void> {
    const stopped = this.#work.stop();
    for (const { client } of this.#witnesses) client.close();
    await stopped;
    await this.#round;
  }

  /** Submits the candidate to each witness whose turn it is. */
  run(): Promise<void> {
    this.#round = this.#round.then(() => this.#attempt());
    return this.#round;
  }

  async #attempt(): Promise<void> {
    if (this.#work.signal.aborted || !this.#options.isActive()) return;
    try {
      await this.#load();
      const candidate = await this.#nextCandidate();
      if (candidate !== undefined) await this.#submit(candidate);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Loads the last cosignatures of each witness from the stored note, so a restart needs no conflict to learn them. */
  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    const { store, log } = this.#options;
    const verifiers = this.#witnesses.map(({ verifier }) => verifier);
    const stored = await storedWitnessed(store, log, verifiers);
    this.#isLoaded = true;
    if (stored === undefined) return;
    const { cosignatures } = stored;
    for (const witness of this.#witnesses)
      if (cosignatures.some((each) => each.witness === witness.verifier))
        witness.size = stored.size;
    if (cosignatures.length >= this.#options.required) this.#witnessed = stored;
  }

  async #nextCandidate(): Promise<Candidate | undefined> {
    const newest = await this.#options.reader.checkpoint();
    this.#newestSize = newest?.size ?? 0;
    if (this.#candidate !== undefined) return this.#candidate;
    if (newest === undefined || newest.size <= (this.#witnessed?.size ?? 0)) return undefined;
    return (this.#candidate = { checkpoint: newest, cosignatures: new Map() });
  }

  async #submit(candidate: Candidate): Promise<void> {
    const now = this.#options.clock.monotonic();
    const asked = this.#witnesses.filter(
      (witness) => witness.retryAt <= now && !candidate.cosignatures.has(witness),
    );
    await Promise.all(asked.map((witness) => this.#ask(witness, candidate)));
    if (candidate.cosignatures.size >= this.#options.required) await this.#keep(candidate);
  }

  async #ask(witness: Witness, candidate: Candidate): Promise<void> {
    try {
      const cosignature = await this.#cosign(witness, candidate.checkpoint);
      // Another replica submitted a newer checkpoint, so this one gets no further cosignature from the witness.
      if (cosignature === undefined) this.#candidate = undefined;
      else candidate.cosignatures.set(witness, cosignature);
      Object.assign(witness, { fault: undefined, failures: 0 });
    } catch (error) {
      if (!(error instanceof WitnessError)) throw error;
      this.#failed(witness, error);
      const pause = doubledDelay(INTERVAL_MS, LONGEST_PAUSE_MS, witness.failures);
      witness.failures += 1;
      witness.fault = error.fault;
      witness.retryAt = this.#options.clock.monotonic() + pause;
    }
  }

  #failed(witness: Witness, error: WitnessError): void {
    if (this.#work.signal.aborted) return;
    if (error.isContradiction) witness.contradictions += 1;
    this.#options.onFault(witness.name, error);
  }

  /** Undefined if the witness has cosigned a newer checkpoint of this log. @throws WitnessError */
  async #cosign(witness: Witness, checkpoint: SignedCheckpoint): Promise<Cosignature | undefined> {
    const { reader } = this.#options;
    let old = witness.size;
    for (let submissions = 0; submissions < MOST_SUBMISSIONS; submissions++) {
      if (old > checkpoint.size) return this.#superseded(old);
      const isProven = old > 0 && old < checkpoint.size;
      const proof = isProven ? await reader.proveGrowth(old, checkpoint) : [];
      const answer = await witness.client.add({ old, proof, note: checkpoint.note });
      if (typeof answer !== 'number') {
        witness.size = checkpoint.size;
        return answer;
      }
      if (answer < witness.size) this.#rolledBack(witness, answer);
      old = answer;
    }
    throw new WitnessError('refused', 'the size that the witness cosigned last keeps changing');
  }

  async #superseded(size: number): Promise<undefined> {
    const newest = (await this.#options.reader.checkpoint())?.size ?? 0;
    if (size <= newest) return undefined;
    throw new WitnessError(
      'ahead',
      `the witness cosigned a tree of ${size} entries under this origin, and the log has ${newest}: the log was rolled back, or two logs share the origin`,
    );
  }

  /** Reports the fault, and submits again: a witness that lost its state can still attest what it sees from now on. */
  #rolledBack(witness: Witness, size: number): void {
    const message = `the witness cosigned a tree of ${witness.size} entries, and now answers that its last one had ${size}`;
    this.#failed(witness, new WitnessError('rolled_back', message));
    witness.size = size;
  }

  async #keep({ checkpoint, cosignatures }: Candidate): Promise<void> {
    const { store, log } = this.#options;
    const lines = this.#witnesses.flatMap((witness) => {
      const cosignature = cosignatures.get(witness);
      return cosignature === undefined ? [] : [`${cosignature.line}\n`];
    });
    const note = checkpoint.note + lines.join('');
    await store.commit({ writes: [witnessedWrite(note)] });
    const verifiers = this.#witnesses.map(({ verifier }) => verifier);
    this.#witnessed = openWitnessed(note, log, verifiers);
    this.#candidate = undefined;
  }
}
