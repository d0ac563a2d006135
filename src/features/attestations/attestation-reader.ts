import type { Clock } from '../../ports/clock.ts';
import type { FairBulkhead } from '../../ports/fair-bulkhead.ts';
import type { TrustAnchor } from '../../domain/posture/image-trust.ts';
import { TaskThread, type TaskCall } from '../../broker/kernel/task-thread.ts';
import type { AttestationTask, PushedAttestation } from './attestation-thread.ts';
import type { ReadAttestation } from './read-attestation.ts';

/** Reads attestations, and verifies their signatures, in a thread with its own heap. */
export class AttestationReader {
  readonly #thread: TaskThread<AttestationTask, ReadAttestation | PushedAttestation>;

  constructor(clock: Pick<Clock, 'after'>, queue: FairBulkhead) {
    this.#thread = new TaskThread(clock, queue, async () => {
      const { startAttestationThread } = await import('./attestation-thread.ts');
      return startAttestationThread();
    });
  }

  /** @throws ERR_BODY_INVALID with the pointer below `/attestation`; ERR_BODY_TOO_LARGE, ERR_BUSY */
  read(
    call: TaskCall,
    body: Uint8Array,
    anchors: readonly TrustAnchor[],
  ): Promise<ReadAttestation> {
    return this.#thread.run(call, { body, anchors });
  }

  /** Reads the body of a push, whose memory the thread takes. @throws as `read`; ERR_UNKNOWN_FIELD */
  readPushed(
    call: TaskCall,
    pushed: Uint8Array<ArrayBuffer>,
    anchors: readonly TrustAnchor[],
  ): Promise<PushedAttestation> {
    const task = { pushed, anchors };
    return this.#thread.run(call, task, [pushed.buffer]) as Promise<PushedAttestation>;
  }

  /** @throws ERR_BUSY if `read` would now */
  requireRoom(call: Omit<TaskCall, 'signal'>): void {
    this.#thread.requireRoom(call);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
