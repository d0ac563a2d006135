import { BrokerError } from '../../domain/errors.ts';
import { isHistorical } from '../../domain/posture/reports/trivy-operator.ts';
import { readReport } from '../../domain/posture/reports/read-report.ts';
import type { Recording, Work } from '../state/dependencies.ts';
import type { Posture } from './judging.ts';
import { commitDecided, SystemActor } from '../recording/record.ts';
import { planned } from './evidence.ts';
import { JsonNode, MalformedJson } from '../../domain/text/json-node.ts';

type Parts = Recording & Pick<Posture, 'evidence'> & Pick<Work, 'log'>;

/** Outcomes of a report: `refused` ones are broken, and `full` ones exceed the quota. */
export const WATCHED_OUTCOMES = ['stored', 'unchanged', 'refused', 'full'] as const;
export type WatchedOutcome = (typeof WATCHED_OUTCOMES)[number];

/** Limit of nesting: no scanner nests deeper than about ten. */
const DEEPEST = 32;
const MOST_VALUES = 1_000_000;
/** A team that may write reports in a cluster must not fill the log: 50 reports a second at most. */
const PACE_MS = 20;

/**
 * Stores reports that a watch of a cluster reads, each as the writer `watch:<cluster>`. Every broker watches; the second one finds a report stored
 * already. A report that is deleted in the cluster stays, because the Trivy Operator deletes it before each new scan.
 */
export class WatchedReports {
  readonly #parts: Parts;
  readonly #counts = new Map<WatchedOutcome, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Counts since the start of this process. */
  counts(): ReadonlyMap<WatchedOutcome, number> {
    return this.#counts;
  }

  /** @throws an error of the store: the watch must list again */
  async take(cluster: string, object: unknown): Promise<void> {
    const outcome = await this.#store(cluster, object).catch((error: unknown) =>
      this.#refused(cluster, object, error),
    );
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    if (outcome !== 'unchanged') await this.#parts.clock.sleep(PACE_MS);
  }

  #store(cluster: string, object: unknown): Promise<WatchedOutcome> {
    return commitDecided(this.#parts, (decidedAt) => {
      if (exceeds(object)) {
        throw new MalformedJson('', `may nest ${DEEPEST} deep and have ${MOST_VALUES} values`);
      }
      const root = new JsonNode(object, '');
      if (isHistorical(root)) return { plan: undefined, settle: () => 'unchanged' };
      const report = readReport(object, { format: 'trivy-operator', image: [] });
      const writer = `watch:${cluster}`;
      const { fragment, events } = planned(this.#parts, { report, image: [], writer, scope: [] });
      if (events.length === 0) return { plan: undefined, settle: () => 'unchanged' };
      const actor = new SystemActor(this.#parts, writer);
      const entries = events.map((event) => actor.entry(event));
      return { plan: { ...fragment, decidedAt, entries }, settle: () => 'stored' };
    });
  }

  #refused(cluster: string, object: unknown, error: unknown): WatchedOutcome {
    const reason = error instanceof BrokerError ? error.reason : undefined;
    if (reason === 'older_report') return 'unchanged';
    const isBroken = error instanceof MalformedJson || reason === 'bad_report';
    if (!isBroken && reason !== 'evidence_full') throw error;
    const { log } = this.#parts;
    log.warn({ cluster, ...placeOf(object), ...faultOf(error) }, 'a watched report was refused');
    return isBroken ? 'refused' : 'full';
  }
}

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

/** Reports whether a value nests too deep or has too many members. No recursion: the value may nest without limit. */
function exceeds(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  let count = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    count += level.length;
    if (depth > DEEPEST || count > MOST_VALUES) return true;
    level = level.flatMap((each): readonly unknown[] =>
      typeof each === 'object' && each !== null ? Object.values(each) : [],
    );
  }
  return false;
}
