/** Where a broker is and as whom to ask it. */
export interface Profile {
  readonly url: string;
  /** The authority of its certificate, if no public one: an absolute path, read at each use. */
  readonly caFile?: string | undefined;
  readonly login: OperatorLogin | WorkloadLogin;
}

export interface OperatorLogin {
  readonly kind: 'operator';
  readonly token: string;
}

/** A pod's own login: the session is made anew from the pod's token when it has ended. */
export interface WorkloadLogin {
  readonly kind: 'workload';
  readonly cluster: string;
  readonly podTokenFile: string;
  readonly session: { readonly token: string; readonly endsAt: string };
}

/** Operators' and sessions' tokens; a file that holds something else is not sent to anybody. */
const TOKEN = /^qm[os]_[0-9A-Za-z]{49}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}
