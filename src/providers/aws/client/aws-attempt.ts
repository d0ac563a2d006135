import { awsError } from '../errors.ts';

/** One call of the SDK; whatever it throws is a BrokerError. */
export async function awsAttempt<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw awsError(error, signal);
  }
}
