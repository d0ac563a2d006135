import { BrokerError, type ErrorCode } from '../../domain/errors.ts';

/** One line of the report on a cluster: a question, its result, and the cure of a failure. */
export interface Finding {
  readonly isProblem: boolean;
  readonly text: string;
}

export function fine(text: string): Finding {
  return { isProblem: false, text };
}

export function problem(text: string): Finding {
  return { isProblem: true, text };
}

export const NOT_KUBERNETES = 'what answered is not a Kubernetes API server: check the address';

const ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_PROVIDER_DENIED: 'the credential is not accepted, has expired or lacks the right',
  ERR_PROVIDER_TIMEOUT: 'no answer in time: check address, routes and network policies',
  ERR_PROVIDER_UNAVAILABLE: 'cannot be reached, or its certificate is not from caFile: check both',
  ERR_PROVIDER_MALFORMED: NOT_KUBERNETES,
};

/** The reason of a failure in words, without text of the server. */
export function adviceFor(error: unknown): string {
  if ((error as Error).name === 'TimeoutError') return ADVICE.ERR_PROVIDER_TIMEOUT ?? '';
  return ADVICE[codeOf(error)] ?? 'failed: the log of the server has the reason';
}

export function codeOf(error: unknown): ErrorCode {
  return error instanceof BrokerError ? error.code : 'ERR_INTERNAL';
}
