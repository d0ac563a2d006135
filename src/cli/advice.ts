import type { UnreachableReason } from '../client/index.ts';

/** What to do about an answer, where it is the same for everybody; docs/errors.md has the rest. */
const ADVICE: Readonly<Record<string, string>> = {
  ERR_TOKEN_INVALID:
    'the pod token is not accepted: is it of this cluster, for this audience, and of a pod that runs?',
  ERR_UNAUTHENTICATED:
    'log in again (quaymaster login): the token is not known here, or has ended; an operator has another made with quaymaster operator token create',
  ERR_DENIED:
    'whether it exists or not is not told; why a workload is denied: quaymaster policy explain; what an operator may: quaymaster whoami',
  ERR_VERSION_CONFLICT: 'somebody changed it meanwhile: look at it again, then repeat',
  ERR_PRECONDITION_REQUIRED: 'say which version you have seen: --if-version or --create',
  ERR_RATE_LIMITED: 'fewer calls at once, or later',
  ERR_OUTCOME_UNKNOWN: 'it may have been done: look before you repeat it',
  ERR_HELD: 'an operator has to look at the store: quaymaster release, docs/operations.md',
  ERR_PROVIDER_DENIED: 'the backend refuses the broker: quaymaster mount check',
  ERR_PROVIDER_UNAVAILABLE: 'the backend does not answer: quaymaster mount check',
};

export function adviceOf(code: string): string | undefined {
  return ADVICE[code];
}

const IS_IT_THERE =
  'does the broker run there, and is the URL right (--url, QUAYMASTER_URL, the profile)?';
const SILENCE: Partial<Readonly<Record<UnreachableReason, string>>> = {
  no_connection: IS_IT_THERE,
  not_ours: IS_IT_THERE,
  tls: 'is its certificate from an authority that is not known here? Name it with --ca or QUAYMASTER_CA_FILE; a broker without TLS has an http:// URL',
};

/** What to do where no broker answered. */
export function adviceOnSilence(reason: UnreachableReason): string | undefined {
  return SILENCE[reason];
}
