import { BrokerError } from '../../domain/errors.ts';
import { statedNow, type Clock } from '../../ports/clock.ts';
import type {
  AttestedWorkload,
  WorkloadAuthenticator,
} from '../../ports/workload-authenticator.ts';

/**
 * An authenticator that judges tokens by the time that their issuers state, and gives their times in the time of the broker. The two differ only after a jump of the
 * system clock.
 */
export function inBrokerTime(
  clock: Clock,
  create: (stated: Clock) => WorkloadAuthenticator,
): WorkloadAuthenticator {
  const inner = create({
    now: () => statedNow(clock),
    monotonic: () => clock.monotonic(),
    after: (ms, work) => clock.after(ms, work),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  });
  const shifted = (attested: AttestedWorkload): AttestedWorkload => {
    const ahead = clock.ahead?.() ?? 0;
    const { tokenEndsAt, tokenIssuedAt } = attested;
    return { ...attested, tokenEndsAt: tokenEndsAt + ahead, tokenIssuedAt: tokenIssuedAt + ahead };
  };
  return {
    authenticate: async (token, context) => shifted(await inner.authenticate(token, context)),
    ...(inner.authenticateCertificate !== undefined && {
      authenticateCertificate: async (chain) => {
        const attested = await inner.authenticateCertificate?.(chain);
        if (attested === undefined) throw new BrokerError('ERR_TOKEN_INVALID');
        return shifted(attested);
      },
    }),
    close: () => inner.close(),
  };
}
