import { ApiError } from '../../client/index.ts';
import type { Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import type { PlannedImport } from './import-plan.ts';
import type { ImportSource } from './import-source.ts';

const AT_ONCE = 4;
const UNAUTHENTICATED = 401;
const PRECONDITION = 412;

export interface ImportResult {
  readonly source: string;
  readonly target: string | undefined;
  readonly outcome: 'created' | 'exists' | 'empty' | 'failed' | PlannedImport['state'];
  /** Of what failed: a code, never what anybody said. */
  readonly code?: string;
}

/**
 * Copies what is planned, a few at once: from the source's answer into the broker's request, never to a disk. What is there already is
 * left, so that it can be run again after it was interrupted.
 */
export async function runImport(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  source: ImportSource,
  plan: readonly PlannedImport[],
): Promise<readonly ImportResult[]> {
  const results: ImportResult[] = [];
  const waiting = plan.values();
  const work = async (): Promise<void> => {
    for (const planned of waiting) {
      signal.throwIfAborted();
      results.push(await importOne(broker, source, planned));
      output.progress(`${results.length} of ${plan.length}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  output.endProgress();
  return results;
}

async function importOne(
  broker: Broker,
  source: ImportSource,
  { source: from, target, state }: PlannedImport,
): Promise<ImportResult> {
  if (state !== 'create' || target === undefined) return { source: from, target, outcome: state };
  try {
    const data = await source.read(from);
    if (data === undefined || Object.keys(data).length === 0) {
      return { source: from, target, outcome: 'empty' };
    }
    await broker.call('writeSecret', {
      path: { path: target },
      headers: { 'If-None-Match': '*' },
      body: { data },
    });
    return { source: from, target, outcome: 'created' };
  } catch (error) {
    return { source: from, target, ...outcomeOf(error) };
  }
}

/** One secret that is refused does not stop the others; being refused altogether, or alone, does. */
function outcomeOf(error: unknown): Pick<ImportResult, 'outcome' | 'code'> {
  if (error instanceof SourceError) return { outcome: 'failed', code: error.message };
  if (!(error instanceof ApiError) || error.status === UNAUTHENTICATED) throw error;
  if (error.status === PRECONDITION) return { outcome: 'exists' };
  return { outcome: 'failed', code: error.code };
}

/** One secret could not be read at its source; the message is a word of ours. */
export class SourceError extends Error {}
