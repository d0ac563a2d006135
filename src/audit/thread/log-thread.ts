import { setPriority } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { parseVerifierKey } from '../../crypto/log/signed-note.ts';
import type { AcceptValues, AuditQuery, DecisionsWindow } from '../../ports/audit-log.ts';
import type { PageRequest } from '../../domain/page.ts';
import type { KeyOf, Query, RowReader, TableName, Window } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LogReader } from '../log/log-reader.ts';
import {
  answerWith,
  OpenAnswers,
  type Call,
  type FromThread,
  type Question,
  type ThreadData,
  type ThreadMethod,
  type ToThread,
} from './messages.ts';

/**
 * Priority below that of requests: if the broker has one core, the kernel gives the event loop three times as much of it. At 10 that is nine times,
 * and on a node without an idle core a search took up to 44 s (measured at a load of 42).
 */
const NICE = 5;
/** Heap of the thread. A call that needs more ends the thread, not the process. */
const HEAP_MB = 128;
const YOUNG_HEAP_MB = 16;

/** Starts a thread that reads the log. It has neither the store, nor keys of the broker, nor its environment. */
export function startLogThread(logKey: string): Worker {
  const data: ThreadData = { kind: 'quaymaster-audit-log', logKey };
  return new Worker(new URL(import.meta.url), {
    workerData: data,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
  });
}

/** Sends questions to the broker. All questions of one turn are one message. */
class Questions implements RowReader {
  readonly #awaited = new OpenAnswers();
  #asked: Question[] = [];

  async get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined> {
    const row = await this.#ask({ get: [table, key] });
    return row as Tables[T] | undefined;
  }

  async list<T extends TableName>(
    query: Query<T>,
    window: Window<T>,
  ): Promise<readonly Tables[T][]> {
    const rows = await this.#ask({ list: [query, window] });
    return rows as readonly Tables[T][];
  }

  accepts(call: number): AcceptValues {
    return async (values) => (await this.#ask({ accepts: call, values })) as readonly boolean[];
  }

  receive({ answers }: Extract<ToThread, { answers: unknown }>): void {
    for (const answer of answers) this.#awaited.settle(answer);
  }

  #ask(question: DistributiveOmit<Question, 'id'>): Promise<unknown> {
    const { id, answer } = this.#awaited.next();
    if (this.#asked.length === 0) queueMicrotask(() => this.#send());
    this.#asked.push({ id, ...question });
    return answer;
  }

  #send(): void {
    const questions = this.#asked;
    this.#asked = [];
    post({ questions });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function post(message: FromThread): void {
  parentPort?.postMessage(message);
}

type AnyMethods = Record<ThreadMethod, (...args: readonly unknown[]) => Promise<unknown>>;

function read(
  reader: LogReader,
  questions: Questions,
  { call, method, args, hasAccepts }: Call,
  signal: AbortSignal,
): Promise<unknown> {
  if (method === 'search') {
    const [query, page] = args as [AuditQuery, PageRequest];
    const accepts = hasAccepts ? questions.accepts(call) : undefined;
    return reader.search(query, page, { accepts, signal });
  }
  if (method === 'decisions') {
    const [query, window] = args as [AuditQuery, DecisionsWindow];
    return reader.decisions(query, window, signal);
  }
  return (reader as unknown as AnyMethods)[method](...args);
}

/** Lowers the priority of this thread on Linux; elsewhere a priority belongs to the whole process. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(NICE);
  } catch {
    // A sandbox may forbid it. Then searches compete with reads for the core.
  }
}

function serve({ logKey }: ThreadData): void {
  lowerPriority();
  const questions = new Questions();
  const reader = new LogReader(questions, { verifier: parseVerifierKey(logKey) });
  const running = new Map<number, AbortController>();
  const run = async (call: Call): Promise<void> => {
    const controller = new AbortController();
    running.set(call.call, controller);
    const done = await answerWith(call.call, () =>
      read(reader, questions, call, controller.signal),
    );
    running.delete(call.call);
    post({ done });
  };
  parentPort?.on('message', (message: ToThread) => {
    if ('answers' in message) questions.receive(message);
    else if ('stop' in message) running.get(message.stop)?.abort();
    else void run(message);
  });
}

const data = workerData as ThreadData | null;
if (!isMainThread && data?.kind === 'quaymaster-audit-log') serve(data);
