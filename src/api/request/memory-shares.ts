import type { ServerResponse } from 'node:http';
import { Gauge, type Registry } from 'prom-client';
import { HeldBytes, type HeldBounds } from '../../net/listener/held-bytes.ts';

/** The kernel takes smaller answers before they could be counted, unless the connection is backed up. */
const COUNTED_BYTES = 16_384;
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
  answers: { ofOne: 32 * MIB, ofAll: 256 * MIB },
  strangers: { ofOne: MIB, ofAll: 64 * MIB },
} as const satisfies Record<string, HeldBounds>;

/**
 * Each caller's share of the memory that bodies and unread answers take. Callers without any right have small shares in a separate pool, so
 * any number of them takes nothing from the others. Bodies and answers have separate shares, so a slow client can still renew and revoke.
 */
export class Shares {
  readonly #bodies: HeldBytes;
  readonly #answers: HeldBytes;
  readonly #strangers: HeldBytes;

  constructor(bounds: Readonly<Record<keyof typeof BOUNDS, HeldBounds>> = BOUNDS) {
    this.#bodies = new HeldBytes(bounds.bodies);
    this.#answers = new HeldBytes(bounds.answers);
    this.#strangers = new HeldBytes(bounds.strangers);
  }

  /** Registers the gauges of the bytes in flight. */
  measure(metrics: Registry): void {
    const pools = { bodies: this.#bodies, answers: this.#answers, strangers: this.#strangers };
    new Gauge({
      name: 'quaymaster_held_bytes',
      help: 'Bytes of bodies and unread answers that are held for callers',
      labelNames: ['kind'],
      registers: [metrics],
      collect() {
        for (const [kind, pool] of Object.entries(pools)) this.set({ kind }, pool.all);
      },
    });
  }

  bodiesOf({ hasRights }: Holder): HeldBytes {
    return hasRights ? this.#bodies : this.#strangers;
  }

  answersOf({ hasRights }: Holder): HeldBytes {
    return hasRights ? this.#answers : this.#strangers;
  }

  /** Counts an answer until the kernel has it or its connection is cut. */
  hold(holder: Holder, bytes: number, response: ServerResponse): void {
    if (bytes < COUNTED_BYTES && !isBackedUp(response)) return;
    const held = this.answersOf(holder);
    const name = holder.holder;
    held.add(name, bytes);
    response.once('close', () => held.release(name, bytes));
  }
}

/** Tells whether earlier answers on the connection are unread: a new answer then waits in memory behind them. */
function isBackedUp({ socket }: ServerResponse): boolean {
  return socket !== null && socket.writableLength > 0;
}
