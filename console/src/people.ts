import { call } from './client.ts';

export interface Person {
  readonly name: string;
  readonly logins: number;
  readonly last: string;
  readonly index: number;
}

/** Logins of the log that are read for the list of people. */
export const LOGINS = 1_000;
export const LOGIN_ACTION = 'operator-token.create';

interface LoginFacts {
  readonly time?: string;
  readonly document?: { readonly name?: string };
}

/** The broker keeps no list of people: each is known by the entry of a login. The broker records the search. */
export async function loadPeople(): Promise<readonly Person[]> {
  const { items } = await call('searchAudit', {
    query: { action: LOGIN_ACTION, outcome: 'ok', limit: LOGINS },
  });
  const people = new Map<string, Person>();
  for (const { index, entry } of items) {
    const { time = '', document } = entry as LoginFacts;
    const name = document?.name ?? '';
    if (!name.startsWith('oidc:')) continue;
    const known = people.get(name) ?? { name, logins: 0, last: time, index };
    people.set(name, { ...known, logins: known.logins + 1 });
  }
  return [...people.values()];
}
