import { isSecretPath } from '../../domain/names.ts';
import { UsageError } from '../usage-error.ts';
import type { ListedPath } from './import-source.ts';

export type PlanState = 'create' | 'exists' | 'unnameable' | 'unreadable' | 'left out';

export interface PlannedImport {
  readonly source: string;
  /** The path at the broker; undefined where there is none. */
  readonly target: string | undefined;
  readonly state: PlanState;
  /** Of what is unreadable: a word why. */
  readonly code?: string;
}

/** How source paths become paths of the broker. */
export interface Mapping {
  /** Cut from the front of a source path, by whole segments. */
  readonly from: string;
  /** Put before what is left. */
  readonly to: string;
  /** Exact targets; null leaves a source out. */
  readonly exact: ReadonlyMap<string, string | null>;
}

/** What would be written where nothing is. @throws UsageError when two sources meet at one target */
export function planImport(
  sources: readonly ListedPath[],
  mapping: Mapping,
): readonly PlannedImport[] {
  const taken = new Map<string, string>();
  return sources.map(({ path: source, unreadable }) => {
    const target = targetOf(source, mapping);
    if (target === null) return { source, target: undefined, state: 'left out' };
    if (unreadable !== undefined) {
      return { source, target: undefined, state: 'unreadable', code: unreadable };
    }
    if (!isSecretPath(target)) return { source, target, state: 'unnameable' };
    const other = taken.get(target);
    if (other !== undefined) {
      throw new UsageError(`${other} and ${source} would both become ${target}: name one in --map`);
    }
    taken.set(target, source);
    return { source, target, state: 'create' };
  });
}

/** The plan where something is already: that stays as it is. */
export function sparing(
  plan: readonly PlannedImport[],
  existing: ReadonlySet<string>,
): readonly PlannedImport[] {
  return plan.map((planned) =>
    planned.state === 'create' && existing.has(planned.target ?? '')
      ? { ...planned, state: 'exists' }
      : planned,
  );
}

function targetOf(source: string, { from, to, exact }: Mapping): string | null {
  const named = exact.get(source);
  if (named !== undefined) return named;
  const rest =
    from !== '' && source.startsWith(`${from}/`) ? source.slice(from.length + 1) : source;
  return to === '' ? rest : `${to}/${rest}`;
}
