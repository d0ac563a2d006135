import { tokenRefused } from '../token-refused.ts';

export interface AudienceRules {
  readonly audiences: readonly string[];
  readonly allowSeveralAudiences: boolean;
}

const MOST_AUDIENCES = 32;
const LONGEST_AUDIENCE = 1024;

/**
 * A token for several audiences can be replayed here by each of the others, so one is the rule.
 * @throws ERR_TOKEN_INVALID `aud_missing`, `aud_mismatch`, `multi_aud`.
 */
export function readTokenAudiences(claim: unknown, rules: AudienceRules): readonly string[] {
  const audiences: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  if (claim === undefined || audiences.length === 0) throw tokenRefused('aud_missing');
  if (audiences.length > MOST_AUDIENCES || !audiences.every(isAudience)) {
    throw tokenRefused('aud_mismatch');
  }
  if (!audiences.some((audience) => rules.audiences.includes(audience))) {
    throw tokenRefused('aud_mismatch');
  }
  if (audiences.length > 1 && !rules.allowSeveralAudiences) throw tokenRefused('multi_aud');
  return audiences;
}

function isAudience(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_AUDIENCE;
}
