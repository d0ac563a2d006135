import { setPriority } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BrokerError, type ErrorCode, type Problem } from '../../domain/errors.ts';

/** Priority below that of requests: if the broker has one core, the kernel runs the event loop first. */
const NICE = 10;
/** Heap of a thread. A task that needs more ends the thread, not the process. */
const LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32 };

/** The answer of a thread to a task: a result or an error, and the milliseconds of processor time. */
export interface TaskAnswer {
  readonly result?: unknown;
  readonly spentMs: number;
  readonly error?: {
    readonly code: ErrorCode;
    readonly detail: string | undefined;
    readonly reason?: string;
    readonly problems?: readonly Problem[];
    readonly isDetailShown: boolean;
    readonly cause?: string;
  };
}

interface ThreadData {
  readonly kind: string;
}

/** Starts a thread that runs the module at the URL. It has neither the store, nor keys of the broker, nor its environment. */
export function startTaskThread(module: string, kind: string): Worker {
  const data: ThreadData = { kind };
  return new Worker(new URL(module), { workerData: data, env: {}, resourceLimits: LIMITS });
}

/** Performs tasks in a thread of this kind; does nothing in any other thread. */
export function serveTasks(kind: string, perform: (task: never) => unknown): void {
  if (isMainThread || (workerData as ThreadData | null)?.kind !== kind) return;
  lowerPriority();
  parentPort?.on('message', (task: unknown) => {
    void answered(() => perform(task as never)).then((answer) => parentPort?.postMessage(answer));
  });
}

async function answered(work: () => unknown): Promise<TaskAnswer> {
  const before = process.threadCpuUsage();
  const outcome = await attempt(work);
  const { user, system } = process.threadCpuUsage(before);
  return { ...outcome, spentMs: (user + system) / 1_000 };
}

async function attempt(work: () => unknown): Promise<Pick<TaskAnswer, 'result' | 'error'>> {
  try {
    return { result: await work() };
  } catch (error) {
    const { code, detail, reason, problems, isDetailShown, cause } = BrokerError.from(error);
    return {
      error: {
        code,
        detail,
        isDetailShown,
        ...(reason !== undefined && { reason }),
        ...(problems !== undefined && { problems }),
        ...(cause instanceof Error && { cause: cause.stack ?? cause.message }),
      },
    };
  }
}

/** Lowers the priority of this thread on Linux; elsewhere a priority belongs to the whole process. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(NICE);
  } catch {
    // A sandbox may forbid it. Then tasks compete with reads for the core.
  }
}
