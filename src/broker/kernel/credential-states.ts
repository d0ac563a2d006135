/**
 * `revoking`: in the revocation queue. `irrevocable`: revocation failed and an operator must check it. `expiring`: the backend cannot
 * revoke it, so it only expires.
 */
export const REVOCATION_STATES = ['revoking', 'irrevocable', 'expiring'] as const;

/** States of a dynamic credential that may still be valid at its backend. */
export const UNREVOKED = ['intended', 'prepared', 'issued', ...REVOCATION_STATES] as const;
