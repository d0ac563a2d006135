import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { BrokerError } from '../../domain/errors.ts';
import type { PageRequest } from '../../domain/page.ts';
import type {
  AcceptValues,
  ArchiveObject,
  AuditLog,
  AuditQuery,
  BatchHead,
  DecisionsPage,
  DecisionsWindow,
  EntryProof,
  LogCheckpoint,
  LogEntry,
  LoggedRead,
  LoggedReads,
  LogPage,
  LogTruncation,
  PendingEntries,
  ReadersWanted,
} from '../../ports/audit-log.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import type { LogReader } from '../log/log-reader.ts';
import { loggedReaders, loggedReads } from '../log/logged-reads.ts';
import { pendingEntries } from '../log/pending-entries.ts';
import {
  answerWith,
  compact,
  OpenAnswers,
  type Answer,
  type FromThread,
  type Question,
  type ThreadedMethods,
  type ThreadMethod,
  type ToThread,
} from './messages.ts';

/** A thread without calls ends after this time and frees its memory. */
const IDLE_MS = 60_000;
/** A search or a replay ends after this time with what it has found. The listener closes a connection that is silent for 45 s. */
const STOP_MS = 20_000;
/** The broker answers after this time: on a node without processor time the thread may not even read that it must stop. */
const GIVE_UP_MS = 35_000;
const RETRY_SECONDS = 10;

export interface ThreadedLogParts {
  readonly reader: LogReader;
  /** The store from which the thread gets its rows. */
  readonly store: Store;
  readonly clock: Pick<Clock, 'after'>;
}

/**
 * The log for requests. Methods that read many entries run in a thread with its own heap, so that reads of secrets do not wait for them. The thread
 * decompresses, proves and searches; the rows come from the broker, because no second connection can open a SQLite store.
 */
export class ThreadedLog implements AuditLog {
  readonly #parts: ThreadedLogParts;
  #thread: Promise<LogThread> | undefined;
  #cancelEnd: () => void = () => undefined;

  constructor(parts: ThreadedLogParts) {
    this.#parts = parts;
  }

  checkpoint(): Promise<LogCheckpoint | undefined> {
    return this.#parts.reader.checkpoint();
  }

  witnessed(): Promise<LogCheckpoint | undefined> {
    return this.#parts.reader.witnessed();
  }

  async search(query: AuditQuery, page: PageRequest, accepts?: AcceptValues): Promise<LogPage> {
    if (page.after === undefined) await this.#parts.reader.catchUp();
    return this.#call('search', [query, page], accepts);
  }

  async decisions(
    query: Pick<AuditQuery, 'from' | 'to'>,
    window: DecisionsWindow,
  ): Promise<DecisionsPage> {
    if (window.after === undefined) await this.#parts.reader.catchUp();
    return this.#call('decisions', [query, window]);
  }

  async reads(wanted: ReadersWanted): Promise<LoggedReads> {
    await this.#parts.reader.catchUp();
    return loggedReads(this.#parts.store, this.#parts.reader, wanted);
  }

  readers(path: string, limit: number): Promise<readonly LoggedRead[]> {
    return loggedReaders(this.#parts.store, path, limit);
  }

  oldest(): Promise<LogEntry | undefined> {
    return this.#call('oldest', []);
  }

  proveEntry(index: number): Promise<EntryProof> {
    return this.#parts.reader.proveEntry(index);
  }

  logKey(): Promise<string> {
    return this.#parts.reader.logKey();
  }

  heads(start: number, limit: number): Promise<readonly BatchHead[]> {
    return this.#call('heads', [start, limit]);
  }

  pending(): Promise<readonly PendingEntries[]> {
    return pendingEntries(this.#parts.store);
  }

  truncation(): Promise<LogTruncation | undefined> {
    return this.#parts.reader.truncation();
  }

  archiveObjects(from: number): AsyncIterable<ArchiveObject> {
    return this.#parts.reader.archiveObjects(from);
  }

  file(path: string): Promise<Uint8Array | undefined> {
    return this.#call('file', [path]);
  }

  /** Ends the thread. Calls in progress fail. */
  async close(): Promise<void> {
    this.#cancelEnd();
    const thread = this.#thread;
    this.#thread = undefined;
    await (await thread)?.end();
  }

  async #call<M extends ThreadMethod>(
    method: M,
    args: Readonly<Parameters<ThreadedMethods[M]>>,
    accepts?: AcceptValues,
  ): Promise<Awaited<ReturnType<ThreadedMethods[M]>>> {
    this.#cancelEnd();
    const starting = (this.#thread ??= this.#start());
    const thread = await starting;
    try {
      const result = await thread.call(method, args, accepts);
      return result as Awaited<ReturnType<ThreadedMethods[M]>>;
    } finally {
      if (thread.isIdle && this.#thread === starting)
        this.#cancelEnd = this.#parts.clock.after(IDLE_MS, () => void this.close());
    }
  }

  /** Starts the thread. If it ends by itself, the next call starts another. */
  #start(): Promise<LogThread> {
    const starting = this.#open();
    const forget = (): void => {
      if (this.#thread === starting) this.#thread = undefined;
    };
    starting.then(({ ended }) => ended).then(forget, forget);
    return starting;
  }

  async #open(): Promise<LogThread> {
    const { startLogThread } = await import('./log-thread.ts');
    return new LogThread(startLogThread(await this.logKey()), this.#parts);
  }
}

/** A row reader whose types a message did not keep. */
interface AnyRows {
  get(table: string, key: unknown): Promise<object | undefined>;
  list(query: unknown, window: unknown): Promise<readonly object[]>;
}

/** A running thread, its calls, and the answers to its questions. */
class LogThread {
  readonly #worker: Worker;
  readonly #rows: AnyRows;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #results = new OpenAnswers();
  readonly #accepts = new Map<number, AcceptValues>();
  #answers: Answer[] = [];
  readonly ended: Promise<unknown>;

  constructor(worker: Worker, { store, clock }: Pick<ThreadedLogParts, 'store' | 'clock'>) {
    [this.#worker, this.#rows, this.#clock] = [worker, store, clock];
    this.ended = once(worker, 'exit');
    let cause: unknown = new Error('the thread that reads the audit log ended');
    worker.unref();
    worker.on('message', (message: FromThread) => {
      if ('done' in message) this.#results.settle(message.done);
      else for (const question of message.questions) void this.#answer(question);
    });
    worker.on('error', (error: unknown) => {
      cause = error;
    });
    worker.once('exit', () => {
      this.#results.rejectAll(new BrokerError('ERR_INTERNAL', undefined, { cause }));
    });
  }

  get isIdle(): boolean {
    return this.#results.size === 0;
  }

  /** @throws ERR_BUSY if the thread does not answer in time. */
  async call(
    method: ThreadMethod,
    args: readonly unknown[],
    accepts?: AcceptValues,
  ): Promise<unknown> {
    const { id, answer } = this.#results.next();
    if (accepts !== undefined) this.#accepts.set(id, accepts);
    const timers = [
      this.#clock.after(STOP_MS, () => this.#send({ stop: id })),
      this.#clock.after(GIVE_UP_MS, () => this.#results.reject(id, busy())),
    ];
    try {
      this.#send({ call: id, method, args, hasAccepts: accepts !== undefined });
      return await answer;
    } finally {
      for (const cancel of timers) cancel();
      this.#accepts.delete(id);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** All answers of one turn are one message. */
  async #answer(question: Question): Promise<void> {
    const answer = await answerWith(question.id, () => this.#answerQuestion(question));
    if (this.#answers.length === 0) setImmediate(() => this.#sendAnswers());
    this.#answers.push(answer);
  }

  #sendAnswers(): void {
    const answers = this.#answers;
    this.#answers = [];
    this.#send({ answers });
  }

  async #answerQuestion(question: Question): Promise<unknown> {
    if ('accepts' in question)
      return (await this.#accepts.get(question.accepts)?.(question.values)) ?? [];
    if ('list' in question) return (await this.#rows.list(...question.list)).map(sendable);
    const row = await this.#rows.get(...question.get);
    return row && sendable(row);
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

function busy(): BrokerError {
  return new BrokerError(
    'ERR_BUSY',
    `the node has too little processor time: the log was not read within ${GIVE_UP_MS / 1000} s`,
    { isDetailShown: true, retryAfterSeconds: RETRY_SECONDS },
  );
}

function sendable(row: object): object {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, compact(value)]));
}
