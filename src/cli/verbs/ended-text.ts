import type { components } from '../../client/index.ts';
import { counted } from '../kernel/count.ts';

/** Leases that are revoked, and credentials that a backend still has to revoke. The two are never added up. */
export function revokedText({ revoked, revoking }: components['schemas']['RevokedLeases']): string {
  const done = `revoked ${counted(revoked, 'lease')}`;
  if (revoking === 0) return done;
  const verb = revoking === 1 ? 'is' : 'are';
  return `${done}; ${counted(revoking, 'credential')} ${verb} being revoked at the backend (follow with: quaymaster revocation ls)`;
}

/** Sessions and leases that ended, and event streams that this replica closed. */
export function endedText(ended: components['schemas']['Ended']): string {
  const streams =
    ended.streams === 0 ? '' : `closed ${counted(ended.streams, 'event stream')} of this replica, `;
  return `ended ${counted(ended.sessions, 'session')}, ${streams}${revokedText(ended)}`;
}
