import type { Worker } from 'node:worker_threads';
import { loadKeyless } from '../../crypto/signatures/keyless-signature.ts';
import type { TrustAnchor } from '../../domain/posture/image-trust.ts';
import { serveTasks, startTaskThread } from '../kernel/serve-tasks.ts';
import { anchorId, readContent, type ReadAttestation } from './read-attestation.ts';

const KIND = 'quaymaster-attestations';

/** Work of the thread: an attestation, and the keys and roots that may have signed it. */
export interface AttestationTask {
  readonly body: Uint8Array;
  readonly anchors: readonly TrustAnchor[];
}

export function startAttestationThread(): Worker {
  return startTaskThread(import.meta.url, KIND);
}

/** Each task brings copies of the roots; the parsed ones are kept with the copy that came first. */
const roots = new Map<string, TrustAnchor>();
const MOST_ROOTS = 64;

async function perform({ body, anchors }: AttestationTask): Promise<ReadAttestation> {
  const known = anchors.map((anchor) => {
    if ('key' in anchor) return anchor;
    const id = anchorId(anchor);
    const first = roots.get(id) ?? anchor;
    if (roots.size >= MOST_ROOTS) roots.clear();
    roots.set(id, first);
    return first;
  });
  if (known.some((anchor) => 'root' in anchor)) await loadKeyless();
  return readContent(body, known);
}

serveTasks(KIND, perform);
