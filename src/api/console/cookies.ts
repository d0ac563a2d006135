import type { IncomingMessage } from 'node:http';

/** Names of the cookies, and the attributes that the scheme of the page allows. */
export interface CookieNames {
  readonly session: string;
  readonly flow: string;
  readonly isSecure: boolean;
}

/**
 * Names of the cookies of an origin. Over TLS the prefix `__Host-` makes the browser refuse a cookie that another host or another path sets. Plain HTTP, on loopback only, has no such
 * protection, and all ports of a host share their cookies: there the name has the port.
 */
export function cookieNames(origin: URL): CookieNames {
  if (origin.protocol === 'https:')
    return { session: '__Host-session', flow: '__Host-flow', isSecure: true };
  return { session: `session-${origin.port}`, flow: `flow-${origin.port}`, isSecure: false };
}

/** Finds a cookie. Two of one name mean that another page set one of them: then there is none. */
export function findCookie({ headers }: IncomingMessage, name: string): string | undefined {
  const found = (headers.cookie ?? '')
    .split('; ')
    .filter((each) => each.startsWith(`${name}=`))
    .map((each) => each.slice(name.length + 1));
  return found.length === 1 ? found[0] : undefined;
}

export interface CookieRules {
  readonly sameSite: 'Strict' | 'Lax';
  readonly isSecure: boolean;
  /** Time until the browser forgets it; undefined: when it ends. 0 removes the cookie. */
  readonly maxAgeSeconds?: number;
}

/** A value of `Set-Cookie`. No script of the page can read the cookie. */
export function setCookie(
  name: string,
  value: string,
  { sameSite, isSecure, maxAgeSeconds }: CookieRules,
): string {
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  return `${name}=${value}; Path=/; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}${age}`;
}
