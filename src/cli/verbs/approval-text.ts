import type { components } from '../../client/index.ts';

/** Describes the request of an approval in one line. */
export function approvalText({ change, elevation }: components['schemas']['Approval']): string {
  if (change !== undefined) return `${change.kind} ${change.name}`;
  if (elevation === undefined) return '';
  const { role, scope, seconds } = elevation;
  return `${role} for ${scope.length === 0 ? 'all paths' : scope.join(', ')}, ${seconds}s`;
}
