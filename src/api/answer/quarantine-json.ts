import type { Quarantine } from '../../domain/identity/quarantine.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Shape } from '../contract/shapes.ts';

export function quarantineJson({
  kind,
  subject,
  endsAt,
  ...rest
}: Quarantine): Shape<'Quarantine'> {
  const { id, reason, createdBy, createdAt } = rest;
  return {
    id,
    kind,
    subject,
    reason,
    createdBy,
    createdAt: instant(createdAt),
    ...(endsAt !== undefined && { until: instant(endsAt) }),
  };
}
