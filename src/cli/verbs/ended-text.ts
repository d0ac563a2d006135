import type { components } from '../../client/index.ts';

type RevokedLeases = components['schemas']['RevokedLeases'];
type Ended = components['schemas']['Ended'];

/** What was revoked, and what a backend still has to revoke: the two are never added up. */
export function revokedText({ revoked, revoking }: RevokedLeases): string {
  const done = `revoked ${count(revoked, 'lease')}`;
  if (revoking === 0) return done;
  const left = `${count(revoking, 'credential')} ${revoking === 1 ? 'is' : 'are'} being revoked`;
  return `${done}; ${left} at the backend (follow with: quaymaster revocation ls)`;
}

export function endedText(ended: Ended): string {
  const streams =
    ended.streams === 0 ? '' : `closed ${count(ended.streams, 'event stream')} of this replica, `;
  return `ended ${count(ended.sessions, 'session')}, ${streams}${revokedText(ended)}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
