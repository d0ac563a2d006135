import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import { isHistorical } from '../../domain/posture/reports/trivy-operator.ts';
import { watchWriter } from '../../domain/posture/evidence.ts';
import type { Recording, Work } from '../../broker/state/dependencies.ts';
import type { Posture } from './judging.ts';
import { commitDecided, SystemActor } from '../../broker/recording/record.ts';
import { planned } from './evidence.ts';
import type { PackedReport } from './pack-report.ts';
import { JsonNode, MalformedJson } from '../../domain/text/json-node.ts';

type Parts = Recording & Pick<Posture, 'evidence' | 'reports'> & Pick<Work, 'log'>;

/** Outcomes of a report: `refused` ones are broken, and `full` ones exceed the quota. */
export const WATCHED_OUTCOMES = ['stored', 'unchanged', 'refused', 'full'] as const;
export type WatchedOutcome = (typeof WATCHED_OUTCOMES)[number];
/** Numbers of reports by cluster and outcome. */
export type WatchedCounts = ReadonlyMap<string, ReadonlyMap<WatchedOutcome, number>>;

/** A team that may write reports in a cluster must not fill the log: 50 reports a second at most. */
const PACE_MS = 20;
const RETRY_MS = 1_000;
const MOST_ATTEMPTS = 5;

/**
 * Stores reports that a watch of a cluster reads, each as the writer `watch:<cluster>`. Every broker watches; the second one finds a report stored
 * already. A report that is deleted in the cluster stays, because the Trivy Operator deletes it before each new scan.
 */
export class WatchedReports {
  readonly #parts: Parts;
  readonly #counts = new Map<string, Map<WatchedOutcome, number>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Counts since the start of this process. */
  counts(): WatchedCounts {
    return this.#counts;
  }

  /** @throws an error of the store: the watch must list again */
  async take(cluster: string, object: unknown): Promise<void> {
    const outcome = await this.#store(cluster, object).catch((error: unknown) =>
      this.#refused(cluster, object, error),
    );
    const counts = this.#counts.get(cluster) ?? new Map<WatchedOutcome, number>();
    this.#counts.set(cluster, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
    if (outcome !== 'unchanged') await this.#parts.clock.sleep(PACE_MS);
  }

  async #store(cluster: string, object: unknown): Promise<WatchedOutcome> {
    if (isHistorical(new JsonNode(object, ''))) return 'unchanged';
    const writer = watchWriter(cluster);
    const report = await this.#read(writer, textOf(object));
    return commitDecided(this.#parts, (decidedAt) => {
      const { fragment, events } = planned(this.#parts, { report, image: [], writer, scope: [] });
      if (events.length === 0) return { plan: undefined, settle: () => 'unchanged' };
      const actor = new SystemActor(this.#parts, writer);
      const entries = events.map((event) => actor.entry(event));
      return { plan: { ...fragment, decidedAt, entries }, settle: () => 'stored' };
    });
  }

  /** Retries while the thread is busy with the reports of others: an error would make the watch list all reports again. */
  async #read(tenant: string, text: string, attempts = 1): Promise<PackedReport> {
    const { reports, clock } = this.#parts;
    const work = { tenant, signal: new AbortController().signal, spend: () => undefined };
    try {
      return await reports.readWatched(work, text);
    } catch (error) {
      const isBusy = error instanceof BrokerError && error.code === 'ERR_BUSY';
      if (!isBusy || attempts === MOST_ATTEMPTS) throw error;
      await clock.sleep(RETRY_MS);
      return this.#read(tenant, text, attempts + 1);
    }
  }

  #refused(cluster: string, object: unknown, error: unknown): WatchedOutcome {
    const reason = error instanceof BrokerError ? error.reason : undefined;
    if (reason === 'older_report') return 'unchanged';
    const isBroken =
      error instanceof MalformedJson ||
      reason === 'bad_report' ||
      (error instanceof BrokerError && COSTLY.includes(error.code));
    if (!isBroken && reason !== 'evidence_full') throw error;
    const { log } = this.#parts;
    log.warn({ cluster, ...placeOf(object), ...faultOf(error) }, 'a watched report was refused');
    return isBroken ? 'refused' : 'full';
  }
}

/** Errors of a report that the thread could not read within its bounds. */
const COSTLY: readonly ErrorCode[] = ['ERR_BODY_TOO_LARGE', 'ERR_BUSY'];
const LONGEST = 512;

/** Describes an error for the log. Names of objects are those of Kubernetes; a message has names of the report, of any length. */
function faultOf(error: unknown): { readonly pointer: string; readonly problem: string } {
  const [problem] = error instanceof BrokerError ? (error.problems ?? []) : [];
  const { pointer, message } =
    error instanceof MalformedJson ? error : (problem ?? { pointer: '', message: '' });
  const text = error instanceof BrokerError && problem === undefined ? error.message : message;
  return {
    pointer: pointer.slice(0, LONGEST),
    problem: text.replace(/^the document /, '').slice(0, LONGEST),
  };
}

function placeOf(object: unknown): { readonly namespace?: string; readonly report?: string } {
  try {
    const metadata = new JsonNode(object, '').at('metadata');
    const namespace = metadata.at('namespace').text()?.slice(0, LONGEST);
    const report = metadata.at('name').text()?.slice(0, LONGEST);
    return {
      ...(namespace !== undefined && { namespace }),
      ...(report !== undefined && { report }),
    };
  } catch {
    return {};
  }
}

/** The JSON of an object, for the thread. @throws MalformedJson for a value without JSON, and for one that nests deeper than the stack allows */
function textOf(object: unknown): string {
  if (object === undefined) throw new MalformedJson('', 'must be an object');
  try {
    return JSON.stringify(object);
  } catch {
    throw new MalformedJson('', 'nests too deep');
  }
}
