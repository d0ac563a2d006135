/**
 * The commands to one broker, as data. Accounts, pods and paths are numbers of a small set; sessions count from 0 in
 * the order of the logins.
 */
export type Command =
  | { readonly do: 'allow' | 'deny'; readonly account: number; readonly path: number }
  | { readonly do: 'removePolicy'; readonly effect: Effect; readonly account: number }
  | {
      readonly do: 'logIn';
      readonly account: number;
      readonly pod: number;
      readonly minutes: number;
    }
  | { readonly do: 'renew'; readonly session: number; readonly minutes: number }
  | { readonly do: 'logOut'; readonly session: number }
  | { readonly do: 'write' | 'destroy'; readonly path: number }
  | { readonly do: 'read'; readonly session: number; readonly path: number }
  | { readonly do: 'revokePath'; readonly path: number }
  | { readonly do: 'revokeAccount'; readonly account: number }
  | { readonly do: 'revokePod' | 'endPod'; readonly pod: number }
  | { readonly do: 'endSessions'; readonly scope: Scope }
  | { readonly do: 'quarantine'; readonly scope: Scope; readonly minutes: number | undefined }
  | { readonly do: 'lift'; readonly scope: Scope }
  | { readonly do: 'advance'; readonly minutes: number }
  | { readonly do: 'expire' | 'restart' };

type Effect = 'allow' | 'deny';
/** The scope of a quarantine, or of sessions that an operator closes. */
export type Scope = { readonly account: number } | { readonly pod: number };

/**
 * The answer to a command: `ok`, `<version> until <milliseconds since the history began>` for a read, or the code of
 * the refusal.
 */
export type Reply = string;

const MINUTE = 60_000;
/** Settings of the mount under test; sessions last an hour at most. */
const LEASE_MS = 10 * MINUTE;
const SESSION_MS = 60 * MINUTE;

interface ModelLease {
  endsAt: number;
  isLive: boolean;
}

interface ModelSession {
  readonly account: number;
  readonly pod: number;
  endsAt: number;
  isOver: boolean;
  /** Keys are `path@version`. */
  readonly leases: Map<string, ModelLease>;
  readonly revoked: Set<string>;
}

/** The broker as its documentation describes it: without store, cache and fence, one command after the other. */
export class ReferenceModel {
  #now = 0;
  readonly #policies = new Map<string, { effect: Effect; account: number; path: number }>();
  readonly #versions = new Map<number, { last: number; current: number | undefined }>();
  readonly #sessions: ModelSession[] = [];
  readonly #endedPods = new Set<number>();
  /** End by scope; an expired quarantine stays until it is lifted. */
  readonly #quarantines = new Map<string, number>();

  run(command: Command): Reply {
    switch (command.do) {
      case 'allow':
      case 'deny': {
        const { account, path } = command;
        this.#policies.set(`${command.do}-${account}`, { effect: command.do, account, path });
        return 'ok';
      }
      case 'removePolicy':
        return this.#policies.delete(`${command.effect}-${command.account}`)
          ? 'ok'
          : 'ERR_NOT_FOUND';
      case 'logIn':
        return this.#logIn(command);
      case 'renew':
        return this.#with(command.session, (session) => this.#renew(session, command.minutes));
      case 'logOut':
        return this.#with(command.session, (session) => this.#end(session));
      case 'write':
        return this.#write(command.path);
      case 'destroy':
        return this.#destroy(command.path);
      case 'read':
        return this.#with(command.session, (session) => this.#read(session, command.path));
      case 'revokePath':
        return this.#revoke((_session, key) => key.startsWith(`${command.path}@`));
      case 'revokeAccount':
        return this.#revoke(({ account }) => account === command.account);
      case 'revokePod':
        return this.#revoke(({ pod }) => pod === command.pod);
      case 'endPod':
        this.#endedPods.add(command.pod);
        for (const session of this.#sessions) if (session.pod === command.pod) this.#end(session);
        return 'ok';
      case 'endSessions':
        return this.#endCovered(command.scope);
      case 'quarantine':
        return this.#quarantine(command.scope, command.minutes);
      case 'lift':
        return this.#quarantines.delete(JSON.stringify(command.scope)) ? 'ok' : 'ERR_NOT_FOUND';
      case 'advance':
        this.#now += command.minutes * MINUTE;
        return 'ok';
      case 'expire':
        this.#expire();
        return 'ok';
      case 'restart':
        return 'ok';
    }
  }

  #with(index: number, work: (session: ModelSession) => Reply): Reply {
    const session = this.#sessions[index % Math.max(1, this.#sessions.length)];
    if (session === undefined) return 'no session';
    const isOver = session.isOver || session.endsAt <= this.#now;
    if (isOver || this.#isQuarantined(session)) return 'ERR_UNAUTHENTICATED';
    return work(session);
  }

  #logIn({ account, pod, minutes }: Command & { do: 'logIn' }): Reply {
    if (this.#endedPods.has(pod)) return 'ERR_TOKEN_INVALID';
    if (this.#isQuarantined({ account, pod })) return 'ERR_DENIED';
    const endsAt = this.#now + Math.min(minutes * MINUTE, SESSION_MS);
    const leases = new Map<string, ModelLease>();
    this.#sessions.push({ account, pod, endsAt, isOver: false, leases, revoked: new Set() });
    return 'ok';
  }

  #renew(session: ModelSession, minutes: number): Reply {
    if (this.#endedPods.has(session.pod)) return 'ERR_TOKEN_INVALID';
    session.endsAt = this.#now + Math.min(minutes * MINUTE, SESSION_MS);
    return 'ok';
  }

  #end(session: ModelSession): Reply {
    session.isOver = true;
    for (const lease of session.leases.values()) lease.isLive = false;
    return 'ok';
  }

  /** A quarantine of the same scope is never shortened. Its sessions close, and stay closed when it is lifted. */
  #quarantine(scope: Scope, minutes: number | undefined): Reply {
    const key = JSON.stringify(scope);
    const until = minutes === undefined ? Infinity : this.#now + minutes * MINUTE;
    const standing = this.#quarantines.get(key) ?? 0;
    this.#quarantines.set(key, standing > this.#now ? Math.max(standing, until) : until);
    return this.#endCovered(scope);
  }

  #isQuarantined({ account, pod }: { readonly account: number; readonly pod: number }): boolean {
    return [{ account }, { pod }].some(
      (scope) => (this.#quarantines.get(JSON.stringify(scope)) ?? 0) > this.#now,
    );
  }

  #endCovered(scope: Scope): Reply {
    for (const session of this.#sessions) {
      const isCovered =
        'pod' in scope ? session.pod === scope.pod : session.account === scope.account;
      if (isCovered) this.#end(session);
    }
    return 'ok';
  }

  #write(path: number): Reply {
    const last = (this.#versions.get(path)?.last ?? 0) + 1;
    this.#versions.set(path, { last, current: last });
    return 'ok';
  }

  #destroy(path: number): Reply {
    const known = this.#versions.get(path);
    if (known?.current === undefined) return 'ERR_NOT_FOUND';
    known.current = undefined;
    return 'ok';
  }

  #read(session: ModelSession, path: number): Reply {
    const own = [...this.#policies.values()].filter(
      (policy) => policy.account === session.account && policy.path === path,
    );
    if (own.some(({ effect }) => effect === 'deny')) return 'ERR_DENIED';
    if (!own.some(({ effect }) => effect === 'allow')) return 'ERR_DENIED';
    const version = this.#versions.get(path)?.current;
    if (version === undefined) return 'ERR_NOT_FOUND';
    const key = `${path}@${version}`;
    if (session.revoked.has(key)) return 'ERR_DENIED';
    return `${version} until ${this.#lease(session, key)}`;
  }

  /** A lease is extended in its last third and never beyond its session. @returns its expiry. */
  #lease(session: ModelSession, key: string): number {
    const held = session.leases.get(key);
    const endsAt = Math.min(this.#now + LEASE_MS, session.endsAt);
    if (held === undefined || !held.isLive || held.endsAt <= this.#now) {
      session.leases.set(key, { endsAt, isLive: true });
      return endsAt;
    }
    const isExtended = held.endsAt - this.#now < LEASE_MS / 3;
    held.endsAt = isExtended ? endsAt : Math.min(held.endsAt, endsAt);
    return held.endsAt;
  }

  /** A version that was revoked from a session is never issued to that session again. */
  #revoke(matches: (session: ModelSession, key: string) => boolean): Reply {
    for (const session of this.#sessions) {
      for (const [key, lease] of session.leases) {
        if (!lease.isLive || !matches(session, key)) continue;
        lease.isLive = false;
        session.revoked.add(key);
      }
    }
    return 'ok';
  }

  #expire(): void {
    for (const session of this.#sessions) {
      if (session.endsAt <= this.#now) this.#end(session);
      for (const lease of session.leases.values()) {
        if (lease.endsAt <= this.#now) lease.isLive = false;
      }
    }
  }
}
