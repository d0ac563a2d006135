import type { Worker } from 'node:worker_threads';
import { loadKeyless } from '../../crypto/signatures/keyless-signature.ts';
import type { TrustAnchor } from '../../domain/posture/image-trust.ts';
import { serveTasks, startTaskThread } from '../../broker/kernel/serve-tasks.ts';
import { readPushed } from '../../broker/kernel/read-pushed.ts';
import { checkSize, MOST_ATTESTATION_BYTES, parsePushedAttestation } from './parse-attestation.ts';
import { anchorId, readContent, type ReadAttestation } from './read-attestation.ts';

const KIND = 'quaymaster-attestations';

/** Work of the thread: an attestation or the body of its push, and the keys and roots that may have signed it. */
export type AttestationTask = { readonly anchors: readonly TrustAnchor[] } & (
  | { readonly body: Uint8Array }
  | { readonly pushed: Uint8Array }
);

/** A pushed attestation, as it is stored. */
export interface PushedAttestation extends ReadAttestation {
  readonly body: Uint8Array;
  /** The image that the sender names. */
  readonly wanted: string | undefined;
}

export function startAttestationThread(): Worker {
  return startTaskThread(import.meta.url, KIND);
}

/** Each task brings copies of the roots; the parsed ones are kept with the copy that came first. */
const roots = new Map<string, TrustAnchor>();
const MOST_ROOTS = 64;

async function perform({
  anchors,
  ...task
}: AttestationTask): Promise<ReadAttestation | PushedAttestation> {
  const known = anchors.map((anchor) => {
    if ('key' in anchor) return anchor;
    const id = anchorId(anchor);
    const first = roots.get(id) ?? anchor;
    if (roots.size >= MOST_ROOTS) roots.clear();
    roots.set(id, first);
    return first;
  });
  if (known.some((anchor) => 'root' in anchor)) await loadKeyless();
  if ('body' in task) return readContent(task.body, known);
  return readPushed(task.pushed, (value) => {
    const { digest: wanted, attestation } = parsePushedAttestation(value);
    const body = Buffer.from(JSON.stringify(attestation));
    checkSize(body, MOST_ATTESTATION_BYTES);
    return { ...readContent(body, known), body, wanted };
  });
}

serveTasks(KIND, perform);
