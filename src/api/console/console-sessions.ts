import * as z from 'zod';
import type { Keys } from '../../broker/state/dependencies.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import type { Clock } from '../../ports/clock.ts';
import type { IncomingMessage } from 'node:http';
import { findCookie, setCookie, type CookieNames } from './cookies.ts';

/** Longest duration of a console session; the token behind it may end earlier. */
const SESSION_MS = 8 * 3_600_000;
/** The session ends after this time without a request. */
const IDLE_MS = 30 * 60_000;
const FLOW_SECONDS = 600;
/** The page asks for the reason of a refused login at once. */
const REFUSAL_SECONDS = 60;

const SESSION = 'console-session';
const FLOW = 'console-flow';
const REFUSAL = 'console-refusal';

const session = z.strictObject({ token: z.string(), until: z.number(), latest: z.number() });
const flow = z.strictObject({ login: z.string(), returnTo: z.string(), until: z.number() });
const refusal = z.strictObject({ detail: z.string(), until: z.number() });

export type ConsoleSession = z.output<typeof session>;
export type LoginFlow = z.output<typeof flow>;

type CookieParts = Pick<Keys, 'keyring'> & { readonly clock: Pick<Clock, 'now'> };

/**
 * Sessions of the console. The cookie is the encrypted operator token with two times, so the broker stores nothing, and the API does not accept it as a bearer token: only
 * the console's own paths accept it. The rights are those of the token, which the API checks for each request.
 */
export class ConsoleSessions {
  readonly #parts: CookieParts;

  constructor(parts: CookieParts) {
    this.#parts = parts;
  }

  /** The cookie of a new session. */
  begin(names: CookieNames, token: string): string {
    return this.#cookie(names, token, this.#parts.clock.now() + SESSION_MS);
  }

  find(names: CookieNames, request: IncomingMessage): ConsoleSession | undefined {
    const read = session.safeParse(this.#open(SESSION, findCookie(request, names.session)));
    if (!read.success || read.data.until < this.#parts.clock.now()) return undefined;
    return read.data;
  }

  /** A cookie that lives longer, once a quarter of the idle time is over. */
  renew(names: CookieNames, { token, until, latest }: ConsoleSession): string | undefined {
    const now = this.#parts.clock.now();
    if (until === latest || until - now > IDLE_MS * 0.75) return undefined;
    return this.#cookie(names, token, latest);
  }

  end({ session: name, isSecure }: CookieNames): string {
    return setCookie(name, '', { sameSite: 'Strict', isSecure, maxAgeSeconds: 0 });
  }

  beginFlow(names: CookieNames, login: string, returnTo: string): string {
    const until = this.#parts.clock.now() + FLOW_SECONDS * 1000;
    const value = encodeCursor(this.#parts, FLOW, { login, returnTo, until } satisfies LoginFlow);
    // Lax, because the return from the issuer is a navigation that another site began.
    const rules = {
      sameSite: 'Lax',
      isSecure: names.isSecure,
      maxAgeSeconds: FLOW_SECONDS,
    } as const;
    return setCookie(names.flow, value, rules);
  }

  findFlow(names: CookieNames, request: IncomingMessage): LoginFlow | undefined {
    const read = flow.safeParse(this.#open(FLOW, findCookie(request, names.flow)));
    return read.success && read.data.until >= this.#parts.clock.now() ? read.data : undefined;
  }

  endFlow({ flow: name, isSecure }: CookieNames): string {
    return setCookie(name, '', { sameSite: 'Lax', isSecure, maxAgeSeconds: 0 });
  }

  /** Ends a flow that was refused. The cookie keeps the reason for the page: its address would be in the history, and any link could bring a text of its own. */
  refuseFlow({ flow: name, isSecure }: CookieNames, detail: string): string {
    const until = this.#parts.clock.now() + REFUSAL_SECONDS * 1000;
    const value = encodeCursor(this.#parts, REFUSAL, { detail, until });
    return setCookie(name, value, { sameSite: 'Lax', isSecure, maxAgeSeconds: REFUSAL_SECONDS });
  }

  findRefusal(names: CookieNames, request: IncomingMessage): string | undefined {
    const read = refusal.safeParse(this.#open(REFUSAL, findCookie(request, names.flow)));
    return read.success && read.data.until >= this.#parts.clock.now()
      ? read.data.detail
      : undefined;
  }

  #cookie(names: CookieNames, token: string, latest: number): string {
    const until = Math.min(latest, this.#parts.clock.now() + IDLE_MS);
    const value = encodeCursor(this.#parts, SESSION, {
      token,
      until,
      latest,
    } satisfies ConsoleSession);
    return setCookie(names.session, value, { sameSite: 'Strict', isSecure: names.isSecure });
  }

  /** attacker-controlled: any text that the browser sends. */
  #open(kind: string, text: string | undefined): unknown {
    try {
      return decodeCursor(this.#parts, kind, text);
    } catch {
      return undefined;
    }
  }
}
