import { ApiError } from '../../client/index.ts';
import type { Broker } from '../connection/broker.ts';
import type { CliContext } from '../connection/context.ts';
import { EXIT, exitCodeOfStatus } from '../kernel/errors.ts';
import { causeOf, mayHaveBeenDone } from '../output/unknown-outcome.ts';
import type { PlannedImport } from './import-plan.ts';
import { SourceError, type ImportSource, type SourceSecret } from './import-source.ts';

const CONCURRENCY = 4;
const UNAUTHENTICATED = 401;
const PRECONDITION = 412;

export interface ImportResult {
  readonly source: string;
  readonly target: string | undefined;
  /** `not known`: it was sent, and no answer says whether the broker stored it. `no metadata`: only the value was copied. */
  readonly outcome:
    | 'created'
    | 'no metadata'
    | 'empty'
    | 'failed'
    | 'not known'
    | 'not reached'
    | PlannedImport['state'];
  /** Code that names why it failed, never a text of the source or the broker. */
  readonly code?: string;
}

export interface ImportEnd {
  /** One for each planned secret, in the order of the plan. */
  readonly results: readonly ImportResult[];
  /** The error that stopped the import; undefined if it is complete. */
  readonly stoppedBy: unknown;
}

type Outcome = Pick<ImportResult, 'outcome' | 'code'>;

/**
 * Copies the planned secrets, a few at a time, from the source's answers into requests to the broker, never to a disk. Existing
 * secrets stay unchanged, so an interrupted import can be run again. After an error that stops the import it starts no further
 * copy, and waits for those in progress.
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
  const queue = plan.values();
  const work = async (): Promise<void> => {
    for (const planned of queue) {
      if (signal.aborted) stop(signal.reason);
      if (stoppedBy !== undefined) return;
      outcomes.set(planned, await importOne({ broker, source, signal, stop }, planned));
      output.progress(`${outcomes.size} of ${plan.length}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  output.endProgress();
  const results = plan.map((planned) => resultOf(planned, outcomes.get(planned)));
  return { results, stoppedBy };
}

function resultOf({ source, target, state, code }: PlannedImport, outcome?: Outcome): ImportResult {
  if (state === 'create') return { source, target, ...(outcome ?? { outcome: 'not reached' }) };
  return { source, target, outcome: state, ...(code !== undefined && { code }) };
}

type Stop = (error: unknown) => void;

interface Copying {
  readonly broker: Broker;
  readonly source: ImportSource;
  readonly signal: AbortSignal;
  /** Stops the import. A refusal of one secret does not; a refusal of the caller and a missing answer do. */
  readonly stop: Stop;
}

async function importOne(
  copying: Copying,
  { source, target, state }: PlannedImport,
): Promise<Outcome> {
  if (state !== 'create' || target === undefined) return { outcome: state };
  let secret: SourceSecret | undefined;
  try {
    secret = await copying.source.read(source);
    copying.signal.throwIfAborted();
  } catch (error) {
    if (error instanceof SourceError) return { outcome: 'failed', code: error.message };
    copying.stop(error);
    return { outcome: 'not reached' };
  }
  if (secret === undefined || Object.keys(secret.data).length === 0) return { outcome: 'empty' };
  return write(copying, target, secret);
}

/**
 * Reports whether every other secret would fail too: the login is not accepted, or the broker is unavailable even after the
 * client's retries.
 */
function stopsAll({ status }: ApiError): boolean {
  return status === UNAUTHENTICATED || exitCodeOfStatus(status) === EXIT.unreachable;
}

async function write(
  copying: Copying,
  path: string,
  { data, customMetadata }: SourceSecret,
): Promise<Outcome> {
  const { broker, stop } = copying;
  try {
    const headers = { 'If-None-Match': '*' } as const;
    await broker.call('writeSecret', { path: { path }, headers, body: { data, method: 'import' } });
  } catch (error) {
    if (!(error instanceof ApiError)) {
      stop(error);
      return { outcome: 'not known' };
    }
    if (stopsAll(error)) stop(error);
    if (error.status === PRECONDITION) return { outcome: 'exists' };
    return { outcome: mayHaveBeenDone(error) ? 'not known' : 'failed', code: error.code };
  }
  return customMetadata === undefined
    ? { outcome: 'created' }
    : describe(copying, path, customMetadata);
}

/** Writes the custom metadata of a secret that this import created, so that the metadata of other secrets stays unchanged. */
async function describe(
  { broker, stop }: Copying,
  path: string,
  customMetadata: NonNullable<SourceSecret['customMetadata']>,
): Promise<Outcome> {
  try {
    await broker.call('describeSecret', { path: { path }, body: { customMetadata } });
    return { outcome: 'created' };
  } catch (error) {
    if (!(error instanceof ApiError) || stopsAll(error)) stop(error);
    return { outcome: 'no metadata', code: 'value copied without its custom metadata' };
  }
}
