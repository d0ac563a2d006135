import { isSecretPath } from '../../domain/words/names.ts';
import { UsageError } from '../kernel/errors.ts';
import type { ListedPath } from './import-source.ts';

export type PlanState = 'create' | 'exists' | 'unnameable' | 'unreadable' | 'left out';

export interface PlannedImport {
  readonly source: string;
  /** The path at the broker, if it has one. */
  readonly target: string | undefined;
  readonly state: PlanState;
  /** Code word that names why it is unreadable. */
  readonly code?: string;
}

/** Mapping of source paths to paths of the broker. */
export interface Mapping {
  /** Prefix of whole segments that is removed from a source path. */
  readonly from: string;
  /** Prefix that is put before the rest. */
  readonly to: string;
  /** Exact targets; null leaves a source out. */
  readonly exact: ReadonlyMap<string, string | null>;
}

/** The plan for an empty broker. @throws UsageError if two sources have the same target */
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
      throw new UsageError(
        `${other} and ${source} would both become ${target}; give one of them another name in --map`,
      );
    }
    taken.set(target, source);
    return { source, target, state: 'create' };
  });
}

/** The plan for a broker that has secrets already: they stay unchanged. */
export function keepExisting(
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
