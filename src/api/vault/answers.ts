import type { Answer } from '../request/answers.ts';
import type { Call } from '../../broker/access/call.ts';
import { ByteText } from '../../domain/words/byte-text.ts';

/** The members of an answer that are not null. */
export interface Envelope {
  readonly data?: object | null;
  readonly auth?: object | null;
  readonly leaseId?: string;
  readonly leaseSeconds?: number;
  readonly renewable?: boolean;
  readonly warnings?: readonly string[] | undefined;
  readonly wrapInfo?: object;
}

/** Clients read all members of an answer, so those without a value are null. */
function members(
  { requestId }: Call,
  { leaseId = '', leaseSeconds = 0, renewable = false, auth = null, ...made }: Envelope,
): { readonly head: object; readonly tail: object } {
  return {
    head: {
      request_id: requestId,
      lease_id: leaseId,
      renewable,
      lease_duration: leaseSeconds,
    },
    tail: { wrap_info: made.wrapInfo ?? null, warnings: made.warnings ?? null, auth },
  };
}

export function envelope(call: Call, made: Envelope): Answer {
  const { head, tail } = members(call, made);
  return { status: 200, body: { ...head, data: made.data ?? null, ...tail } };
}

/** An answer whose `data` contains secret values: JSON bytes, which are inserted unchanged. */
export function valuesEnvelope(call: Call, made: Envelope, data: ByteText): Answer {
  const { head, tail } = members(call, made);
  const before = ByteText.of(`${JSON.stringify(head).slice(0, -1)},"data":`).latin1;
  const after = ByteText.of(`,${JSON.stringify(tail).slice(1)}`).latin1;
  return { status: 200, values: new ByteText(`${before}${data.latin1}${after}`) };
}

/** Remaining whole seconds, at least 0. */
export function secondsUntil(end: number, now: number): number {
  return Math.max(0, Math.floor((end - now) / 1_000));
}
