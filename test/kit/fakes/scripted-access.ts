import { once } from 'node:events';
import type {
  AgentSession,
  BatchAnswer,
  BatchItem,
  BrokerAccess,
  Problem,
  Report,
  ReportAnswer,
} from '../../../src/delivery/agent/access/broker-access.ts';
import { ApiError, type BrokerEvent } from '../../../src/client/index.ts';
import type { HandClock } from '../time/hand-clock.ts';

function problem(status: number, code: Problem['code']): Problem {
  return { type: `urn:quaymaster:error:${code}`, title: 'no', status, code, requestId: 'req_1' };
}

export function refusal(operation: string, status: number, code: Problem['code'], after?: number) {
  return new ApiError({ id: operation, path: '/test' }, problem(status, code), after);
}

/** A broker with scripted answers. Its time is the test's. */
export class ScriptedAccess implements BrokerAccess {
  readonly clock: HandClock;
  /** Version and value by path; other paths are denied. */
  readonly secrets = new Map<string, string>();
  /** Values that differ from their version, by path. */
  readonly values = new Map<string, string>();
  /** Paths whose backend is unavailable now. */
  readonly away = new Set<string>();
  /** True: it does not answer the end of a session. */
  isSilent = false;
  /** The offset of its clock from the agent's. */
  offsetMs = 0;
  sessionMs = 3_600_000;
  leaseMs = 600_000;
  /** Errors of the next calls, by operation, in order. */
  readonly failures = new Map<string, Error[]>();
  /** Calls in order: operation, subject, time. */
  readonly calls: { readonly operation: string; readonly about: string; readonly at: number }[] =
    [];
  readonly #events: BrokerEvent[] = [];
  #wake: (() => void) | undefined;
  #leases = 0;

  constructor(clock: HandClock) {
    this.clock = clock;
  }

  fail(operation: string, ...errors: readonly Error[]): void {
    this.failures.set(operation, [...(this.failures.get(operation) ?? []), ...errors]);
  }

  about(operation: string): readonly string[] {
    return this.calls.filter((call) => call.operation === operation).map(({ about }) => about);
  }

  times(operation: string): readonly number[] {
    return this.calls.filter((call) => call.operation === operation).map(({ at }) => at);
  }

  tell(event: BrokerEvent['event'], path?: string): void {
    const id = String(this.#events.length + 1);
    this.#events.push({ event, id, data: path === undefined ? {} : { path } } as BrokerEvent);
    this.#wake?.();
  }

  async logIn(token: string): Promise<AgentSession> {
    this.called('createSession', token);
    await Promise.resolve();
    return this.#session();
  }

  #now(): number {
    return this.clock.now() + this.offsetMs;
  }

  called(operation: string, about: string): void {
    this.calls.push({ operation, about, at: this.clock.monotonic() });
    const failure = this.failures.get(operation)?.shift();
    if (failure !== undefined) throw failure;
  }

  #session(): AgentSession {
    const createdAt = this.#now();
    let endsAt = createdAt + this.sessionMs;
    return {
      createdAt,
      get endsAt() {
        return endsAt;
      },
      eventId: '0',
      renew: async (token) => {
        this.called('renewSession', token);
        if (!token.startsWith('spent')) endsAt = this.#now() + this.sessionMs;
        await Promise.resolve();
      },
      end: async (signal) => {
        this.called('endSession', '');
        if (this.isSilent) await once(signal, 'abort');
        signal.throwIfAborted();
      },
      read: async (items) => Promise.resolve(this.#read(items, endsAt)),
      renewLease: async (id) => {
        this.called('renewLease', id);
        return Promise.resolve(Math.min(endsAt, this.#now() + this.leaseMs));
      },
      releaseLease: async (id) => {
        this.called('releaseLease', id);
        await Promise.resolve();
      },
      acknowledge: async (reports) => Promise.resolve(this.#acknowledge(reports)),
      events: (last, signal) => this.#stream(last, signal),
    };
  }

  #read(items: readonly BatchItem[], sessionEnd: number): BatchAnswer {
    const shown = items.map((item) =>
      'idempotencyKey' in item ? `${item.path}#${item.idempotencyKey}` : item.path,
    );
    this.called('readSecrets', shown.join(' '));
    const now = this.#now();
    const endsAt = new Date(Math.min(now + this.leaseMs, sessionEnd)).toISOString();
    return {
      at: now,
      items: items.map((item) => {
        const version = this.secrets.get(item.path);
        const { path } = item;
        if (this.away.has(path)) return { path, error: problem(503, 'ERR_PROVIDER_UNAVAILABLE') };
        if (version === undefined) return { path, error: problem(403, 'ERR_DENIED') };
        const isOrder = 'idempotencyKey' in item;
        const own = isOrder ? `${version}-${item.idempotencyKey}` : version;
        const id = isOrder
          ? `lea_${item.idempotencyKey.replaceAll('/', '_')}`
          : `lea_${this.#leases++}`;
        return {
          path,
          version: own,
          data: { key: this.values.get(path) ?? own },
          lease: { id, endsAt },
        };
      }),
    };
  }

  #acknowledge(reports: readonly Report[]): readonly ReportAnswer[] {
    const shown = reports.map(
      ({ path, version, outcome }) => `${path} ${version} ${outcome ?? ''}`,
    );
    this.called('acknowledge', shown.join(', '));
    return reports.map(({ path, version }) => ({ path, version, endedLeases: 1 }));
  }

  async *#stream(last: string | undefined, signal: AbortSignal): AsyncGenerator<BrokerEvent> {
    this.called('followEvents', last ?? '');
    yield { event: 'ready', id: '0', data: {} };
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      const next = this.#events.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
