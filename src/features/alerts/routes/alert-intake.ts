import type { Call } from '../../../broker/access/call.ts';
import { receiveAlerts, type Received } from '../receive-alerts.ts';
import type { Alert } from '../../../domain/alerts/alert.ts';
import { AuditEventStream } from '../../../domain/alerts/audit-events.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { AlertSource } from '../../../ports/alert-sources.ts';
import type { Rates } from '../../../api/request/rates.ts';
import type { ServedParts } from '../../../api/request/request-deps.ts';

/** Alerts that are committed together. */
const CHUNK = 100;
/** Bytes of a body that count as one more request. */
const BYTES = 4_096;

/** Takes the alerts of one request in chunks, so that none is lost however many it has. */
export class AlertIntake {
  readonly #parts: ServedParts;
  readonly #call: Call;
  readonly #source: AlertSource;
  readonly #rates: Rates | undefined;
  #received: Received = { accepted: 0, repeated: 0 };
  #chunks = 0;

  constructor(parts: ServedParts, call: Call, source: AlertSource, rates?: Rates) {
    this.#parts = parts;
    this.#call = call;
    this.#source = source;
    this.#rates = rates;
  }

  /** Charges the size of a body to the source. The next requests wait for it. */
  charge(bytes: number): void {
    this.#rates?.chargeSource(this.#source.name, bytes / BYTES);
  }

  get received(): Received {
    return this.#received;
  }

  async take(alerts: readonly Alert[]): Promise<void> {
    for (let at = 0; at < alerts.length; at += CHUNK) {
      const chunk = alerts.slice(at, at + CHUNK);
      const { accepted, repeated } = await receiveAlerts(
        this.#parts,
        this.#call,
        this.#source,
        chunk,
      );
      const { received } = this;
      this.#received = {
        accepted: received.accepted + accepted,
        repeated: received.repeated + repeated,
      };
      // The request itself took the first share of the rate.
      if (this.#chunks > 0) this.#rates?.chargeSource(this.#source.name, 1);
      this.#chunks += 1;
    }
  }

  /** Takes the alert of a body that is too large. */
  takeTooLarge(): Promise<void> {
    return this.take([tooLarge(this.#parts.clock.now())]);
  }

  /** Takes events as they arrive. Those that arrived whole count, also if the rest of the body is refused. */
  async takeStream(stream: AsyncIterable<Buffer>): Promise<Received> {
    const events = new AuditEventStream();
    let waiting: readonly Alert[] = [];
    try {
      for await (const bytes of stream) {
        this.charge(bytes.length);
        events.write(bytes);
        const all = [...waiting, ...events.takeAlerts()];
        waiting = all.length < CHUNK ? all : [];
        if (waiting !== all) await this.take(all);
      }
      waiting = [...waiting, ...events.end()];
    } catch (error) {
      await this.take([...waiting, ...events.takeAlerts()]);
      if (BrokerError.from(error).code === 'ERR_BODY_TOO_LARGE') await this.takeTooLarge();
      throw error;
    }
    await this.take(waiting);
    return this.#received;
  }
}

/** A body that is too large is an alert, one in a minute: an attacker may have made it so large that the sensor cannot report the attack. */
function tooLarge(now: number): Alert {
  return {
    rule: 'oversize_body',
    tags: [],
    priority: 'warning',
    time: now,
    instance: String(Math.floor(now / 60_000)),
    node: undefined,
    container: { id: undefined, imageDigest: undefined },
    pod: { namespace: undefined, name: undefined, uid: undefined },
    isTest: false,
  };
}
