import { ApiError } from '../../client/index.ts';
import type { Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { EXIT, exitCodeOfStatus } from '../exit-codes.ts';
import { mayHaveBeenDone } from '../may-have-been-done.ts';
import { causeOf } from '../stopped.ts';
import type { SecretData } from '../verbs/secret-values.ts';
import type { PlannedImport } from './import-plan.ts';
import { SourceError, type ImportSource } from './import-source.ts';

const AT_ONCE = 4;
const UNAUTHENTICATED = 401;
const PRECONDITION = 412;

export interface ImportResult {
  readonly source: string;
  readonly target: string | undefined;
  /** `not known`: it was sent, and no answer says whether it was taken. */
  readonly outcome:
    'created' | 'empty' | 'failed' | 'not known' | 'not reached' | PlannedImport['state'];
  /** Of what failed: a code, never what anybody said. */
  readonly code?: string;
}

export interface ImportEnd {
  /** Of everything that was planned, in the order of the plan. */
  readonly results: readonly ImportResult[];
  /** What ended it before its end; undefined where nothing did. */
  readonly stoppedBy: unknown;
}

type Outcome = Pick<ImportResult, 'outcome' | 'code'>;

/**
 * Copies what is planned, a few at once: from the source's answer into the broker's request, never to a disk. What is there already is
 * left, so that it can be run again after it was interrupted. Once something ends it, nothing more is begun, and what is under way is
 * waited for.
 */
export async function runImport(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  source: ImportSource,
  plan: readonly PlannedImport[],
): Promise<ImportEnd> {
  const outcomes = new Map<PlannedImport, Outcome>();
  let stoppedBy: unknown;
  const stop: Stop = (error) => void (stoppedBy ??= causeOf(error, signal));
  const waiting = plan.values();
  const work = async (): Promise<void> => {
    for (const planned of waiting) {
      if (signal.aborted) stop(signal.reason);
      if (stoppedBy !== undefined) return;
      outcomes.set(planned, await importOne({ broker, source, signal, stop }, planned));
      output.progress(`${outcomes.size} of ${plan.length}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  output.endProgress();
  const results = plan.map((planned) => resultOf(planned, outcomes.get(planned)));
  return { results, stoppedBy };
}

function resultOf({ source, target, state, code }: PlannedImport, outcome?: Outcome): ImportResult {
  if (state === 'create') return { source, target, ...(outcome ?? { outcome: 'not reached' }) };
  return { source, target, outcome: state, ...(code !== undefined && { code }) };
}

type Stop = (error: unknown) => void;

interface Ends {
  readonly broker: Broker;
  readonly source: ImportSource;
  readonly signal: AbortSignal;
  /** One secret that is refused does not stop the others; being refused altogether, or alone, does. */
  readonly stop: Stop;
}

async function importOne(ends: Ends, { source, target, state }: PlannedImport): Promise<Outcome> {
  if (state !== 'create' || target === undefined) return { outcome: state };
  let data: SecretData | undefined;
  try {
    data = await ends.source.read(source);
    ends.signal.throwIfAborted();
  } catch (error) {
    if (error instanceof SourceError) return { outcome: 'failed', code: error.message };
    ends.stop(error);
    return { outcome: 'not reached' };
  }
  if (data === undefined || Object.keys(data).length === 0) return { outcome: 'empty' };
  return write(ends, target, data);
}

/** Whether another secret would fare alike: nobody knows the caller, or the broker cannot now, also after the tries of the client. */
function endsAll({ status }: ApiError): boolean {
  return status === UNAUTHENTICATED || exitCodeOfStatus(status) === EXIT.unreachable;
}

async function write({ broker, stop }: Ends, path: string, data: SecretData): Promise<Outcome> {
  try {
    const headers = { 'If-None-Match': '*' } as const;
    await broker.call('writeSecret', { path: { path }, headers, body: { data } });
    return { outcome: 'created' };
  } catch (error) {
    if (!(error instanceof ApiError)) {
      stop(error);
      return { outcome: 'not known' };
    }
    if (endsAll(error)) stop(error);
    if (error.status === PRECONDITION) return { outcome: 'exists' };
    return { outcome: mayHaveBeenDone(error) ? 'not known' : 'failed', code: error.code };
  }
}
