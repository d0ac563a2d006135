import { AUDIT_ACTIONS, AUDIT_OUTCOMES } from '../../domain/audit/audit-actions.ts';
import { ERRORS } from '../../domain/errors.ts';
import { parseWorkloadId, WORKLOAD_FORMS } from '../../domain/identity/workload.ts';
import { UsageError } from '../kernel/errors.ts';

/** The API's filters, under their names on the command line. */
export const AUDIT_FILTERS = [
  ['workload', WORKLOAD_FORMS],
  ['cluster', 'name of a cluster'],
  ['namespace', 'namespace of the workload'],
  ['pod', 'UID of the pod'],
  ['operator', 'name of an operator'],
  ['system', 'component of the broker that acted'],
  ['path', 'this path only'],
  ['path-prefix', 'this path and everything below it'],
  ['document', 'a document, such as policy/payments'],
  ['locator', 'location at a backend, such as vault:secret/data/payments/db'],
  ['action', 'action, such as secret.read'],
  ['outcome', AUDIT_OUTCOMES.join(', ')],
  ['code', 'error code, such as ERR_DENIED'],
  ['secret-version', 'version of the secret'],
  ['lease', 'id of a lease'],
  ['credential', 'id of a credential'],
  ['session', 'id of a session'],
  ['token', "id of an operator's token"],
  ['request-id', 'id of a request, as the broker returned it'],
  ['fingerprint', 'fingerprint of a value, as entries show it'],
] as const;

export type FilterOptions = Readonly<Record<string, unknown>>;

/** Filters whose values are a list. */
export const CLOSED: Readonly<Record<string, readonly string[]>> = {
  outcome: AUDIT_OUTCOMES,
  action: AUDIT_ACTIONS,
  code: Object.keys(ERRORS),
};

/**
 * Refuses a value that no entry can have: the result would be empty, and the caller would conclude that nothing happened.
 * @throws UsageError
 */
function checkFilter(flag: string, value: string): void {
  const words = CLOSED[flag];
  if (words !== undefined && !words.includes(value)) {
    const near = nearWords(value, words);
    const all = near.length === words.length;
    throw new UsageError(
      `--${flag} ${value}: must be ${all ? 'one of ' : 'a word of docs/audit.md, such as '}${near.join(', ')}`,
    );
  }
  if (flag === 'workload' && parseWorkloadId(value) === undefined) {
    throw new UsageError(`--workload ${value}: must be ${WORKLOAD_FORMS}`);
  }
}

const MOST_WORDS = 12;

/** The words of a long list that share a part with a misspelled one, or else the first ones. */
function nearWords(value: string, words: readonly string[]): readonly string[] {
  if (words.length <= MOST_WORDS) return words;
  const parts = value
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((part) => part.length > 2 && part !== 'err');
  const near = words.filter((word) => parts.some((part) => word.toLowerCase().includes(part)));
  return (near.length === 0 ? words : near).slice(0, MOST_WORDS);
}

/** `--secret-version` is `version` in the API; the other names are the same. @throws UsageError */
export function filterQuery(options: FilterOptions): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [flag] of AUDIT_FILTERS) {
    const name = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = options[name];
    if (typeof value !== 'string') continue;
    checkFilter(flag, value);
    query[name === 'secretVersion' ? 'version' : name] = value;
  }
  return query;
}
