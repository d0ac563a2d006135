import { podsIn, type FoundPod } from '../../domain/posture/pods-in.ts';
import type { CliContext } from '../connection/context.ts';
import { UsageError } from '../kernel/errors.ts';
import { problemAt } from './manifest.ts';
import { readDocuments, type LocatedDocument } from './read-files.ts';
import { MalformedJson } from '../../domain/text/json-node.ts';

export interface PodsOfDocument {
  readonly document: LocatedDocument;
  readonly pods: readonly FoundPod[];
}

/** Selects the documents of files that have pods, with these. @throws UsageError, also if there is no pod at all */
export async function readPods(
  context: CliContext,
  places: readonly string[],
): Promise<readonly PodsOfDocument[]> {
  const found = (await readDocuments(context, places))
    .map((document) => ({ document, pods: readingPod(document, () => podsIn(document.value)) }))
    .filter(({ pods }) => pods.length > 0);
  if (found.length > 0) return found;
  throw new UsageError(
    `${places.join(', ')}: there is no pod and no workload with a pod template in it`,
  );
}

/** Reads a pod of the document. @throws UsageError with the position of a value that Kubernetes would refuse */
export function readingPod<T>(document: LocatedDocument, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    const problem = problemAt(document, error.pointer, error.message);
    throw new UsageError('a file has a pod that Kubernetes would refuse', [problem]);
  }
}
