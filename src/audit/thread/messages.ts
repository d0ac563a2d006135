import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { AuditLog, RecordedValue } from '../../ports/audit-log.ts';
import { DamagedLog, type Damage } from '../log/log-damage.ts';

/** Methods that run in the thread. All other methods of the log read a few rows. */
export type ThreadMethod = 'search' | 'decisions' | 'oldest' | 'file' | 'heads';
export type ThreadedMethods = Pick<AuditLog, ThreadMethod>;

/** Data that the thread receives at its start. */
export interface ThreadData {
  readonly kind: 'quaymaster-audit-log';
  /** The log's verifier key (C2SP signed note): the only key that the thread has. */
  readonly logKey: string;
}

/** A call of the log. A function cannot be sent: `hasAccepts` says that the thread must ask the broker which values are accepted. */
export interface Call {
  readonly call: number;
  readonly method: ThreadMethod;
  readonly args: readonly unknown[];
  readonly hasAccepts: boolean;
}

/** A question of the thread to the broker, which has the store and the keys: rows, or the values that a call accepts. */
export type Question = { readonly id: number } & (
  | { readonly get: readonly [table: string, key: unknown] }
  | { readonly list: readonly [query: unknown, window: unknown] }
  | { readonly accepts: number; readonly values: readonly RecordedValue[] }
);

/** The result of the call or the question with this number. */
export type Answer = { readonly id: number } & (
  | { readonly result: unknown }
  | { readonly error: SentError }
);

export type ToThread =
  | Call
  | { readonly answers: readonly Answer[] }
  /** The call with this number must end with what it has found. */
  | { readonly stop: number };
export type FromThread = { readonly done: Answer } | { readonly questions: readonly Question[] };

/** An error without its class, which a message does not keep. */
export interface SentError {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly reason: string | undefined;
  readonly isDetailShown: boolean;
  readonly damage: Damage | undefined;
  readonly cause: string | undefined;
}

function sentError(error: unknown): SentError {
  const { code, detail, reason, isDetailShown, cause } = BrokerError.from(error);
  return {
    code,
    detail,
    reason,
    isDetailShown,
    damage: error instanceof DamagedLog ? error.damage : undefined,
    cause: cause instanceof Error ? (cause.stack ?? cause.message) : undefined,
  };
}

function receivedError({ code, detail, damage, cause, ...options }: SentError): BrokerError {
  if (damage !== undefined) return new DamagedLog(damage);
  return new BrokerError(code, detail, {
    isDetailShown: options.isDetailShown,
    ...(options.reason !== undefined && { reason: options.reason }),
    ...(cause !== undefined && { cause: new Error(cause) }),
  });
}

/** Pending answers, by number. */
export class OpenAnswers {
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  get size(): number {
    return this.#open.size;
  }

  /** The number of the next answer, and a promise of it. */
  next(): { readonly id: number; readonly answer: Promise<unknown> } {
    const id = ++this.#last;
    const asked = Promise.withResolvers<unknown>();
    this.#open.set(id, asked);
    return { id, answer: asked.promise };
  }

  settle(answer: Answer): void {
    const asked = this.#open.get(answer.id);
    this.#open.delete(answer.id);
    if ('error' in answer) asked?.reject(receivedError(answer.error));
    else asked?.resolve(answer.result);
  }

  /** An answer that arrives later is ignored. */
  reject(id: number, error: Error): void {
    this.#open.get(id)?.reject(error);
    this.#open.delete(id);
  }

  rejectAll(error: Error): void {
    for (const asked of this.#open.values()) asked.reject(error);
    this.#open.clear();
  }
}

/** Copies a small view before it is sent: a message copies the whole memory under a view, which for a small Buffer is Node's pool of 64 KB. */
export function compact<T>(value: T): T {
  if (value instanceof Uint8Array)
    return (
      value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value)
    ) as typeof value;
  return value;
}

export async function answerWith(id: number, work: () => Promise<unknown>): Promise<Answer> {
  try {
    return { id, result: compact(await work()) };
  } catch (error) {
    return { id, error: sentError(error) };
  }
}
