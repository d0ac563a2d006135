import { BrokerError } from '../../src/domain/errors.ts';

/** The code with which `work` failed; anything but a BrokerError, or success, fails the test with what happened. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BrokerError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}
