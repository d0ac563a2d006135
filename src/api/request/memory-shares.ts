import type { ServerResponse } from 'node:http';
import type { Caller } from '../../broker/access/call.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Metric } from '../../ports/metrics.ts';
import { KeptBytes, type KeptBounds } from '../../net/listener/kept-bytes.ts';
import type { Rates } from './rates.ts';

/** The kernel takes smaller answers before they could be counted, unless the connection is backed up. */
const COUNTED_BYTES = 16_384;
/** The bytes of a body that weigh as much as one read, because copying and parsing them costs about as much. */
const BYTES_OF_WEIGHT = 16_384;
const MIB = 1024 * 1024;

/** The holder for whom bytes are counted. */
export interface Holder {
  /** An identity, or the network of an unknown caller. */
  readonly holder: string;
  /** True if any policy or role allows the holder anything. */
  readonly hasRights: boolean;
}

const BOUNDS = {
  bodies: { ofOne: 16 * MIB, ofAll: 128 * MIB },
  /** Bodies that a thread reads, one after another. */
  pushes: { ofOne: 8 * MIB, ofAll: 32 * MIB },
  answers: { ofOne: 32 * MIB, ofAll: 256 * MIB },
  strangers: { ofOne: MIB, ofAll: 64 * MIB },
} as const satisfies Record<string, KeptBounds>;

/**
 * Each caller's share of the memory that bodies and unread answers take. Callers without any right have small shares in a separate pool, so
 * any number of them takes nothing from the others. Bodies and answers have separate shares, so a slow client can still renew and revoke.
 */
export class Shares {
  readonly #bodies: KeptBytes;
  readonly #pushes: KeptBytes;
  readonly #answers: KeptBytes;
  readonly #strangers: KeptBytes;

  constructor(bounds: Readonly<Record<keyof typeof BOUNDS, KeptBounds>> = BOUNDS) {
    this.#bodies = new KeptBytes(bounds.bodies);
    this.#pushes = new KeptBytes(bounds.pushes);
    this.#answers = new KeptBytes(bounds.answers);
    this.#strangers = new KeptBytes(bounds.strangers);
  }

  /** The bytes in flight. */
  metrics(): readonly Metric[] {
    const pools = {
      bodies: this.#bodies,
      pushes: this.#pushes,
      answers: this.#answers,
      strangers: this.#strangers,
    };
    return [
      {
        name: 'quaymaster_held_bytes',
        help: 'Bytes of bodies and unread answers that are kept for callers',
        labels: ['kind'],
        values: () => Object.entries(pools).map(([kind, pool]) => [{ kind }, pool.all]),
      },
    ];
  }

  bodiesOf({ hasRights }: Holder): KeptBytes {
    return hasRights ? this.#bodies : this.#strangers;
  }

  get pushes(): KeptBytes {
    return this.#pushes;
  }

  answersOf({ hasRights }: Holder): KeptBytes {
    return hasRights ? this.#answers : this.#strangers;
  }

  /** Counts an answer until the kernel has it or its connection is cut. */
  hold(holder: Holder, bytes: number, response: ServerResponse): void {
    if (bytes < COUNTED_BYTES && !isBackedUp(response)) return;
    const kept = this.answersOf(holder);
    const name = holder.holder;
    kept.add(name, bytes);
    response.once('close', () => kept.release(name, bytes));
  }
}

/** Reports whether earlier answers on the connection are unread: a new answer then waits in memory behind them. */
function isBackedUp({ socket }: ServerResponse): boolean {
  return socket !== null && socket.writableLength > 0;
}

/** The limits that a request counts against. */
interface Limits {
  readonly shares: Shares;
  readonly rates: Rates;
}

/** The memory and the rate that one request takes from its sender's share until it is answered. */
export class RequestShare {
  readonly #holder: Holder;
  readonly #limits: Limits;
  /** Caller; undefined if the operation needs no token. */
  readonly #caller: Caller | undefined;
  /** Tenant whose tasks for a thread the body belongs to. */
  readonly #tenant: string | undefined;
  #received = 0;
  #produced = 0;

  constructor(limits: Limits, holder: Holder, caller: Caller | undefined, tenant?: string) {
    this.#limits = limits;
    this.#holder = holder;
    this.#caller = caller;
    this.#tenant = tenant;
  }

  /** Bytes of the body that were admitted so far. */
  get received(): number {
    return this.#received;
  }

  /** Reports whether the sender's share has no room for more of an answer. */
  get isFull(): boolean {
    return this.#answers.isFull(this.#holder.holder);
  }

  /** Admits bytes of the body, announced or received, before they are kept. @throws ERR_RATE_LIMITED */
  receive(bytes: number): void {
    if (bytes === 0) return;
    if (!this.#bodies.take(this.#bodyHolder, bytes)) throw waiting('bodies_waiting');
    const weight = weightOf(this.#received + bytes) - weightOf(this.#received);
    this.#received += bytes;
    if (this.#caller !== undefined && weight > 0) {
      this.#limits.rates.takeFromCaller(this.#caller, weight);
    }
  }

  /** Counts bytes of an answer that is built item by item. */
  produce(bytes: number): void {
    this.#answers.add(this.#holder.holder, bytes);
    this.#produced += bytes;
  }

  release(): void {
    if (this.#received > 0) this.#bodies.release(this.#bodyHolder, this.#received);
    if (this.#produced > 0) this.#answers.release(this.#holder.holder, this.#produced);
  }

  get #answers(): KeptBytes {
    return this.#limits.shares.answersOf(this.#holder);
  }

  get #bodies(): KeptBytes {
    const { shares } = this.#limits;
    return this.#tenant === undefined ? shares.bodiesOf(this.#holder) : shares.pushes;
  }

  /**
   * Holder of the share for bodies: the tenant of a push. Else each pod of a workload with rights has its own, so that no pod blocks the
   * renewals of the others.
   */
  get #bodyHolder(): string {
    if (this.#tenant !== undefined) return this.#tenant;
    const { hasRights, holder } = this.#holder;
    if (!hasRights || !(this.#caller instanceof LiveSession)) return holder;
    const { cluster, pod } = this.#caller.session.workload;
    return pod === undefined ? holder : `${cluster}/${pod.uid}`;
  }
}

/** The refusal of a caller with too many bytes in flight: it must finish its uploads or read its answers first. */
export function waiting(reason: 'bodies_waiting' | 'answers_waiting'): BrokerError {
  return new BrokerError('ERR_RATE_LIMITED', undefined, { reason, retryAfterSeconds: 1 });
}

function weightOf(bytes: number): number {
  return Math.floor(bytes / BYTES_OF_WEIGHT);
}
