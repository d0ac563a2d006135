import { BrokerError } from '../errors.ts';
import type { PostureFinding } from './finding.ts';
import type { PostureCode } from './profile.ts';

/** The findings of a profile at a pod, for the audit log: `production: image_not_pinned, registry`. */
export function postureText(profile: string, findings: readonly PostureFinding[]): string {
  return `${profile}: ${codesOf(findings).join(', ')}`;
}

function codesOf(findings: readonly PostureFinding[]): readonly PostureCode[] {
  return [...new Set(findings.map(({ code }) => code))];
}

/**
 * Refuses a secret that the policies allow, because of a posture profile. The caller sees the profile and the codes; the details are for operators.
 * If no check failed and some fact is only not known yet, the caller should retry.
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

  /** Facts for the entry of the refusal; none for another error. */
  static factsOf(error: unknown): Partial<PostureRefused['facts']> {
    return error instanceof PostureRefused ? error.facts : {};
  }
}
