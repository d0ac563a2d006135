/** To be revoked; could not be, which an operator has to look at; cannot be by its nature, and ends by itself. */
export const REVOCATION_STATES = ['revoking', 'irrevocable', 'expiring'] as const;

/** Of a credential made to order that may still work at its backend. */
export const UNREVOKED = ['intended', 'prepared', 'issued', ...REVOCATION_STATES] as const;
