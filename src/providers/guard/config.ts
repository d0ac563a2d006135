import * as z from 'zod';

/** Limits of one connection: time, concurrent calls, and failures. One failing backend does not harm the others. */
export const guardLimitsSchema = z.strictObject({
  /** Deadline of one call as a whole: waiting for a slot, every attempt and the pauses between them. */
  timeoutMs: z.int().min(50).max(60_000).default(5000),
  maxConcurrent: z.int().min(1).max(1024).default(32),
  /** Rotations in progress there at once, over all processes on one store. */
  maxRotations: z.int().min(1).max(64).default(4),
  /** Limit of calls that wait for a slot; the next one is refused at once. */
  maxQueue: z.int().min(0).max(4096).default(64),
  /** Retries of one read; all retries together are at most a tenth of all calls. */
  maxRetries: z.int().min(0).max(5).default(2),
  /** Failures in a row that open the circuit; failures in more than half of the last 20 calls open it too. */
  failuresToOpen: z.int().min(1).max(100).default(5),
  /** Pause between the opening of the circuit and the one call that probes whether the backend is back. */
  probeAfterMs: z.int().min(100).max(60_000).default(5000),
});

export type GuardLimits = z.infer<typeof guardLimitsSchema>;
