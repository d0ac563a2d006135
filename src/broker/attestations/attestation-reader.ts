import type { Clock } from '../../ports/clock.ts';
import type { TrustAnchor } from '../../domain/posture/image-trust.ts';
import { TaskThread, type TaskCall } from '../kernel/task-thread.ts';
import type { AttestationTask } from './attestation-thread.ts';
import type { ReadAttestation } from './read-attestation.ts';

/** Reads attestations, and verifies their signatures, in a thread with its own heap. */
export class AttestationReader {
  readonly #thread: TaskThread<AttestationTask, ReadAttestation>;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#thread = new TaskThread(clock, async () => {
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

  /** @throws ERR_BUSY if `read` would now */
  requireRoom(call: Omit<TaskCall, 'signal'>): void {
    this.#thread.requireRoom(call);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
