import type { PeopleConfig } from '../auth/config.ts';
import { OpenIdIssuer } from '../auth/people/openid-issuer.ts';
import type { People } from '../broker/parts.ts';

const NO_PEOPLE = { sessionSeconds: 0, idleSeconds: 0, stepUp: { maxAgeSeconds: 0, acr: [] } };

/** The issuers of people's logins. None is contacted before the first login. */
export function openPeople(config: PeopleConfig | undefined): People['people'] {
  if (config === undefined) return { ...NO_PEOPLE, issuers: new Map() };
  const { issuers, ...rest } = config;
  const opened = Object.entries(issuers).map(
    ([name, issuer]) => [name, new OpenIdIssuer(issuer)] as const,
  );
  return { ...rest, issuers: new Map(opened) };
}
