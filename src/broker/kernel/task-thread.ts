import type { Worker } from 'node:worker_threads';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { FairBulkhead } from '../../ports/fair-bulkhead.ts';
import type { TaskAnswer } from './serve-tasks.ts';

/** Tasks that wait, of all tenants and threads together. */
const MOST_WAITING = 64;
/** Limit of one task. The thread has a low priority, so this is far above what a task needs on an idle machine. */
const TASK_MS = 20_000;
/** A thread without tasks ends after this time and frees its memory. */
const IDLE_MS = 60_000;
/** Charge for a task that ended the thread: another one must start. */
const ENDED_MS = 1_000;
/** Charges for a task that no thread performs: before and after the event loop has read its body. The next ones of the caller wait. */
const REFUSED_MS = { early: 10, late: 100 };
const RETRY_SECONDS = 2;

/** The caller for whom the thread works. */
export interface TaskCall {
  /** The name under which its tasks share the queue with those of others. */
  readonly tenant: string;
  readonly signal: AbortSignal;
  /** Takes the milliseconds of processor time, also of a task that failed or was refused. */
  readonly spend: (ms: number) => void;
}

/**
 * Makes the queue that all threads for hostile input share: one of them works at a time, so on two cores the event loop keeps one. The next
 * task is that of the tenant with the fewest, in turn among equals; a full queue takes the task of a tenant with few in place of one of the
 * tenant with the most.
 */
export function taskQueue(): FairBulkhead {
  return new FairBulkhead(1, MOST_WAITING, busy);
}

/**
 * Runs tasks on hostile input in a thread with its own heap, one after another, so that the event loop keeps working meanwhile. The thread
 * starts with the first task. A task that takes too long, or too much memory, ends the thread; the next task starts another one.
 */
export class TaskThread<Task, Result> {
  readonly #start: () => Promise<Worker>;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #queue: FairBulkhead;
  #worker: Promise<Worker> | undefined;
  #cancelEnd: () => void = () => undefined;

  constructor(clock: Pick<Clock, 'after'>, queue: FairBulkhead, start: () => Promise<Worker>) {
    this.#clock = clock;
    this.#queue = queue;
    this.#start = start;
  }

  /** Tasks that wait. */
  get waiting(): number {
    return this.#queue.queued;
  }

  /**
   * Refuses a task before its content is read, if the queue would refuse it now.
   * @throws ERR_BUSY
   */
  requireRoom({ tenant, spend }: Omit<TaskCall, 'signal'>): void {
    if (this.#queue.hasRoom(tenant)) return;
    spend(REFUSED_MS.early);
    throw busy();
  }

  /**
   * The thread takes the memory in `transfer` away from this thread.
   * @throws the BrokerError of the task; ERR_BUSY if the queue is full, if `signal` aborts while the task waits, and if the task took
   * too long; ERR_BODY_TOO_LARGE for a task that needs more memory than the thread has
   */
  async run(call: TaskCall, task: Task, transfer: readonly ArrayBuffer[] = []): Promise<Result> {
    const { tenant, signal } = call;
    const turn = { hasCome: false };
    try {
      return await this.#queue.run(tenant, signal, () => {
        turn.hasCome = true;
        return this.#perform(call, task, transfer);
      });
    } catch (error) {
      if (!turn.hasCome) call.spend(REFUSED_MS.late);
      throw signal.aborted && error === signal.reason ? busy() : error;
    }
  }

  /** Ends the thread. A task in progress fails. */
  async close(): Promise<void> {
    this.#cancelEnd();
    const worker = this.#worker;
    this.#worker = undefined;
    await (await worker)?.terminate();
  }

  async #perform(call: TaskCall, task: Task, transfer: readonly ArrayBuffer[]): Promise<Result> {
    this.#cancelEnd();
    const worker = await (this.#worker ??= this.#open());
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const answered = ({ error, result, spentMs }: TaskAnswer): void => {
      call.spend(spentMs);
      if (error === undefined) resolve(result as Result);
      else reject(receivedError(error));
    };
    let cause: unknown;
    const failed = (error: unknown): void => {
      cause = error;
    };
    const ended = (): void => {
      call.spend(ENDED_MS);
      reject(endError(cause));
    };
    worker.once('message', answered).once('error', failed).once('exit', ended);
    const cancelDeadline = this.#clock.after(TASK_MS, () => void worker.terminate());
    try {
      worker.postMessage(task, transfer);
      return await promise;
    } finally {
      cancelDeadline();
      worker.off('message', answered).off('error', failed).off('exit', ended);
      this.#cancelEnd = this.#clock.after(IDLE_MS, () => void this.close());
    }
  }

  async #open(): Promise<Worker> {
    const worker = await this.#start();
    worker.unref();
    // Without a listener, an error of the thread would end the process.
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      this.#worker = undefined;
    });
    return worker;
  }
}

function receivedError({
  code,
  detail,
  ...options
}: NonNullable<TaskAnswer['error']>): BrokerError {
  return new BrokerError(code, detail, options);
}

function endError(cause: unknown): BrokerError {
  if (cause === undefined) return busy();
  if ((cause as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') {
    return new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
  const detail = 'its content needs more memory than the broker gives one report or statement';
  return new BrokerError('ERR_BODY_TOO_LARGE', detail, { isDetailShown: true });
}

function busy(): BrokerError {
  const detail = 'the broker checks many reports and statements; retry';
  return new BrokerError('ERR_BUSY', detail, {
    reason: 'task_queue',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
