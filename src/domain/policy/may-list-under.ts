import { isSecretPath } from '../words/names.ts';
import { PathWalk } from './path-walk.ts';
import type { WorkloadView } from './workload-view.ts';

/**
 * Reports whether some allow of `list` could match a name at or below `prefix` (any name, without one), ignoring conditions and denies. It is checked
 * before a backend is called: if false, the list is empty; if true, each name is still decided separately.
 */
export function mayListUnder(view: WorkloadView, prefix?: string): boolean {
  if (prefix === undefined) return view.paths.mayList;
  if (!isSecretPath(prefix)) return false;
  let mayList = false;
  const walk = new PathWalk(prefix.split('/'), (place) => {
    mayList ||= place.mayList;
  });
  walk.from(view.paths, 0);
  return mayList;
}
