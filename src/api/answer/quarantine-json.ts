import type { NamedQuarantine, Quarantine } from '../../domain/identity/quarantine.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Shape } from '../contract/shapes.ts';

/** A quarantine with the name of its pod, for a list. */
export function namedQuarantineJson({ pod, ...quarantine }: NamedQuarantine): Shape<'Quarantine'> {
  return { ...quarantineJson(quarantine), ...(pod && { pod }) };
}

export function quarantineJson({
  kind,
  subject,
  endsAt,
  ...rest
}: Quarantine): Shape<'Quarantine'> {
  const { id, reason, createdBy, createdAt, mode, responseId } = rest;
  return {
    id,
    kind,
    subject,
    reason,
    createdBy,
    createdAt: instant(createdAt),
    ...(mode === 'suspended' && { suspended: true }),
    ...(responseId !== undefined && { alert: responseId }),
    ...(endsAt !== undefined && { until: instant(endsAt) }),
  };
}
