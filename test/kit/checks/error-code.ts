import { BrokerError } from '../../../src/domain/errors.ts';

/** The code with which `work` failed. If it succeeds or throws another error, the test fails with that. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BrokerError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}
