import { isSecretPath } from '../words/names.ts';
import { PathWalk } from './path-walk.ts';
import type { WorkloadView } from './workload-view.ts';

/**
 * Whether some allow of `list` could match a name at or below `prefix` (any name, without one), conditions and denies aside. Asked before a
 * backend is: where it is false there is nothing to show, and where it is true each name is still decided by itself.
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
