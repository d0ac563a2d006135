import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { ShadowAnswer, ShadowRead, ShadowServer } from '../../ports/shadow-server.ts';
import type { Call } from '../access/call.ts';
import { commitDecided, entryOf, isUnrecordable } from '../recording/record.ts';
import { recordRefusal, strangerOf } from '../recording/refusals.ts';
import type { Recording } from '../state/dependencies.ts';

export type { ShadowServer } from '../../ports/shadow-server.ts';

/** Codes of the entries of reads that the other server refused. */
const REFUSED: Readonly<Record<number, ErrorCode>> = {
  400: 'ERR_PROVIDER_FAILED',
  403: 'ERR_PROVIDER_DENIED',
  404: 'ERR_NOT_FOUND',
  405: 'ERR_PROVIDER_FAILED',
};

/**
 * Reads from another server with the caller's own token, and records it. That server decides; this broker does not know the caller. The answer leaves only
 * after its entry is durable, and not after the broker was sealed.
 * @throws ERR_PROVIDER_*
 */
export async function readShadow(
  parts: Recording,
  call: Call,
  server: ShadowServer,
  order: ShadowRead,
): Promise<ShadowAnswer> {
  const described = { action: 'shadow.read', query: `${order.path}${order.query}` } as const;
  const decidedAt = parts.state.applied();
  const failed = async (error: unknown): Promise<never> => {
    const failure = BrokerError.from(error);
    if (!isUnrecordable(failure))
      await recordRefusal(parts, { call, caller: undefined }, described, failure);
    throw failure;
  };
  const answer = await server.read(order, call.context()).catch(failed);
  const code = REFUSED[answer.status];
  if (code !== undefined) {
    const refusal = new BrokerError(code, undefined, { reason: 'other_server' });
    await recordRefusal(parts, { call, caller: undefined }, described, refusal);
    return answer;
  }
  return commitDecided(parts, () => ({
    plan: {
      decidedAt,
      reads: ['seal'],
      entries: [
        entryOf(parts, call, { actor: strangerOf(parts) }, { ...described, outcome: 'ok' }),
      ],
    },
    settle: () => answer,
  })).catch(failed);
}
