import { identityUnavailable } from './identity-unavailable.ts';

/** Waits for work that callers share: a caller's deadline ends its wait, not the work. @throws ERR_IDENTITY_UNAVAILABLE. */
export async function waitFor<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(identityUnavailable('deadline', signal.reason));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([shared, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
