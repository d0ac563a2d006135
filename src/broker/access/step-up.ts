import { statedNow } from '../../ports/clock.ts';
import { BrokerError } from '../../domain/errors.ts';
import { WEBAUTHN, type Person } from '../../domain/identity/person.ts';
import type { Caller } from './call.ts';
import type { People, Storage } from '../state/dependencies.ts';
import { LiveSession } from '../state/session-memory.ts';

type StepUpParts = People & Pick<Storage, 'clock'>;

/**
 * Requires a recent login of the person, with one of the demanded contexts; or a recent proof of a security key, if the issuer proves no
 * second factor (RFC 9470). Operator tokens are exempt: no login stands behind them. The access table says which operations call this, and for
 * those that depend on the change, `isNeeded` decides. It runs only if the login is not recent.
 * @throws ERR_STEP_UP_REQUIRED
 */
export function requireStepUp(parts: StepUpParts, caller: Caller, isNeeded = always): void {
  const missing = missingStepUp(parts, caller);
  if (missing !== undefined && isNeeded()) throw missing;
}

const always = (): boolean => true;

/** The error of a caller whose login or proof is not recent enough; undefined for every other caller. */
function missingStepUp(parts: StepUpParts, caller: Caller): BrokerError | undefined {
  if (caller instanceof LiveSession || caller.person === undefined) return undefined;
  const { person } = caller;
  return provesKeys(parts, person)
    ? missingProof(parts, person)
    : missingLogin(parts, person, parts.people.stepUp.acr);
}

/** Reports whether the person's second factor is a security key that the broker checks. */
export function provesKeys({ people }: People, { issuer }: Pick<Person, 'issuer'>): boolean {
  return people.issuers.get(issuer)?.secondFactor === WEBAUTHN;
}

/** @throws ERR_STEP_UP_REQUIRED unless the person proved a security key in this session recently */
export function requireProof(parts: StepUpParts, person: Person): void {
  const missing = missingProof(parts, person);
  if (missing !== undefined) throw missing;
}

function missingProof({ people, clock }: StepUpParts, { proof }: Person): BrokerError | undefined {
  const { maxAgeSeconds } = people.stepUp;
  if (proof !== undefined && clock.now() - proof.at <= maxAgeSeconds * 1000) return undefined;
  const detail =
    'your security key must confirm this: quaymaster login --step-up; to register a first one: quaymaster second-factor add';
  return needed('second_factor', { acr: [WEBAUTHN], maxAgeSeconds, detail });
}

/** @throws ERR_STEP_UP_REQUIRED unless the person logged in at the issuer recently, with one of the contexts */
export function requireRecentLogin(
  parts: StepUpParts,
  person: Person,
  acr: readonly string[],
): void {
  const missing = missingLogin(parts, person, acr);
  if (missing !== undefined) throw missing;
}

function missingLogin(
  { people, clock }: StepUpParts,
  { authTime, acr: own }: Person,
  acr: readonly string[],
): BrokerError | undefined {
  const { maxAgeSeconds } = people.stepUp;
  const isRecent = authTime !== undefined && statedNow(clock) / 1000 - authTime <= maxAgeSeconds;
  const isStrong = acr.length === 0 || (own !== undefined && acr.includes(own));
  if (isRecent && isStrong) return undefined;
  return needed(isRecent ? 'acr' : 'auth_time', { acr, maxAgeSeconds });
}

interface Demand {
  readonly acr: readonly string[];
  readonly maxAgeSeconds: number;
  readonly detail?: string;
}

function needed(reason: string, { acr, maxAgeSeconds, detail }: Demand): BrokerError {
  const demands = [
    'error="insufficient_user_authentication"',
    ...(acr.length === 0 ? [] : [`acr_values="${acr.join(' ')}"`]),
    `max_age="${maxAgeSeconds}"`,
  ];
  return new BrokerError('ERR_STEP_UP_REQUIRED', detail, {
    reason,
    challenge: demands.join(', '),
    isDetailShown: detail !== undefined,
  });
}
