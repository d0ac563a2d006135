import { BrokerError } from '../errors.ts';
import type { PostureFinding } from './finding.ts';
import type { PostureCode } from './profile.ts';

/** What a profile finds at a pod, for the audit log: `production: image_not_pinned, registry`. */
export function postureText(profile: string, findings: readonly PostureFinding[]): string {
  return `${profile}: ${codesOf(findings).join(', ')}`;
}

function codesOf(findings: readonly PostureFinding[]): readonly PostureCode[] {
  return [...new Set(findings.map(({ code }) => code))];
}

/**
 * A secret that the policies allow and a posture profile refuses. The caller sees the profile and the codes, and the details are for operators. If
 * nothing was found and something is only not known yet, the caller should retry.
 */
export class PostureRefused extends BrokerError {
  readonly facts: { readonly posture: string };

  constructor(posture: string, isPending: boolean) {
    const detail = isPending
      ? `the pod is not known well enough for the posture profile ${posture}`
      : `the pod does not meet the posture profile ${posture}`;
    super(isPending ? 'ERR_POSTURE_PENDING' : 'ERR_POSTURE_DENIED', detail, {
      reason: isPending ? 'posture_pending' : 'posture_denied',
      isDetailShown: true,
      ...(isPending && { retryAfterSeconds: 5 }),
    });
    this.facts = { posture };
  }

  /** For the entry of the refusal, else nothing. */
  static factsOf(error: unknown): Partial<PostureRefused['facts']> {
    return error instanceof PostureRefused ? error.facts : {};
  }
}
