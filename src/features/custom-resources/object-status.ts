import { isDeepStrictEqual } from 'node:util';
import { instant } from '../../domain/time/instant.ts';
import type { Verdict } from './cluster-documents.ts';
import type { ClusterObject } from './cluster-object.ts';

/** The status of an object with this verdict, as a merge patch; undefined if the object has it. @param now milliseconds since the epoch */
export function statusPatch(
  { generation, conditions }: ClusterObject,
  { isAccepted, reason, message, document }: Verdict,
  now: number,
): object | undefined {
  const status = isAccepted ? 'True' : 'False';
  const next = { type: 'Accepted', status, reason, message, observedGeneration: generation };
  const found = conditions.find(isAcceptance);
  const { lastTransitionTime: since, ...before } = found ?? {};
  if (isDeepStrictEqual(before, next)) return undefined;
  const isSame = before['status'] === status && typeof since === 'string';
  const lastTransitionTime = isSame ? since : `${instant(now).slice(0, 19)}Z`;
  return {
    status: { document: document ?? null, conditions: [{ ...next, lastTransitionTime }] },
  };
}

function isAcceptance(condition: unknown): condition is Partial<Record<string, unknown>> {
  return (
    typeof condition === 'object' &&
    condition !== null &&
    (condition as Partial<Record<string, unknown>>)['type'] === 'Accepted'
  );
}
