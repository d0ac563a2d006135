import type { Answer } from './installation.ts';
import type { StoredEntry } from '../store/store-diff.ts';

/** A client's request, and the outcome as the client knows it; `unknown` without an answer, or if the broker does not know it either. */
export interface Operation {
  /** `end`: an operator ended the session. */
  readonly kind: 'read' | 'write' | 'logOut' | 'end' | 'narrow';
  /** The path that was read, written, or revoked for all callers. */
  readonly path: string;
  /** The requesting session, by a name of the test. */
  readonly session: string;
  /** Value of a write, and of a read that was answered. */
  readonly value: string | undefined;
  readonly outcome: 'ok' | 'refused' | 'unknown';
  readonly requestId: string | undefined;
  /** Positions in the observed order of beginnings and ends. */
  readonly begun: number;
  readonly ended: number;
}

/** Audit actions of the requests. */
const ACTIONS = {
  read: 'secret.read',
  write: 'secret.write',
  logOut: 'session.end',
  end: 'session.end',
  narrow: 'document.write',
} as const;

type Asked = Pick<Operation, 'kind' | 'path' | 'session' | 'value'>;

/** All operations of clients in a fault run, for a later comparison with the log and the last state. */
export class History {
  readonly operations: Operation[] = [];
  #at = 0;

  /** Records one operation from its beginning to its end. @returns the answer, if there is one. */
  async run(asked: Asked, send: () => Promise<Answer>): Promise<Answer | undefined> {
    const begun = this.#tick();
    const answer = await send().catch(() => undefined);
    const isOk = answer !== undefined && answer.status < 300;
    const isUnknown = answer === undefined || answer.json['code'] === 'ERR_OUTCOME_UNKNOWN';
    this.operations.push({
      ...asked,
      value: asked.kind === 'read' && isOk ? valueIn(answer) : asked.value,
      outcome: isUnknown ? 'unknown' : isOk ? 'ok' : 'refused',
      requestId: answer?.headers.get('x-request-id') ?? undefined,
      begun,
      ended: this.#tick(),
    });
    return answer;
  }

  count(outcome: Operation['outcome']): number {
    return this.operations.filter((operation) => operation.outcome === outcome).length;
  }

  /**
   * Violations in the run. I1: an answer that disclosed or changed something has exactly one entry of its kind, and a refusal has none with the outcome ok. I3: no disclosure to a
   * session that ended before the request, or of a path that was revoked for all callers before. I7: an acknowledged change is present
   * afterwards, unless a later one replaced it. I9: every value that was read was written.
   */
  violations(
    entries: readonly StoredEntry[],
    last: ReadonlyMap<string, string>,
  ): readonly string[] {
    return [
      ...this.#unrecorded(entries),
      ...this.#afterTheEnd(),
      ...this.#lost(last),
      ...this.#invented(last),
    ];
  }

  #unrecorded(entries: readonly StoredEntry[]): readonly string[] {
    const ok = new Map<string, number>();
    for (const { requestId, action, outcome, cause, count } of entries) {
      // An operator's end has an entry with the number of sessions, and one for each of them.
      if (outcome !== 'ok' || (cause === 'ended_by_operator' && count === undefined)) continue;
      const entry = `${requestId} ${action}`;
      ok.set(entry, (ok.get(entry) ?? 0) + 1);
    }
    const expected = { ok: 1, refused: undefined };
    return this.operations
      .filter(({ kind, requestId = '', outcome }) => {
        const found = ok.get(`${requestId} ${ACTIONS[kind]}`);
        return outcome !== 'unknown' && found !== expected[outcome];
      })
      .map(
        ({ kind, path, requestId, outcome }) =>
          `I1: ${kind} ${path} ${requestId ?? 'without an id'} ${outcome}`,
      );
  }

  #afterTheEnd(): readonly string[] {
    const ends = new Map<string, number>();
    for (const { kind, session, path, ended } of this.#ok()) {
      if (kind === 'logOut' || kind === 'end') ends.set(session, ended);
      if (kind === 'narrow') ends.set(path, ended);
    }
    return this.#ok()
      .filter(({ kind, session, path, begun }) => {
        const end = Math.min(ends.get(session) ?? Infinity, ends.get(path) ?? Infinity);
        return kind === 'read' && begun > end;
      })
      .map(({ path, session }) => `I3: ${path} was read by ${session} after its end`);
  }

  #lost(last: ReadonlyMap<string, string>): readonly string[] {
    const writes = this.operations.filter(({ kind }) => kind === 'write');
    return [...Map.groupBy(writes, ({ path }) => path)].flatMap(([path, ofPath]) => {
      const acknowledged = ofPath.filter(({ outcome }) => outcome === 'ok').at(-1);
      if (acknowledged === undefined) return [];
      const possible = ofPath.filter(
        ({ begun, outcome }) => begun >= acknowledged.begun && outcome !== 'refused',
      );
      const isThere = possible.some(({ value }) => value === last.get(path));
      return isThere
        ? []
        : [`I7: ${path} was ${acknowledged.value ?? ''}, is ${last.get(path) ?? 'gone'}`];
    });
  }

  #invented(last: ReadonlyMap<string, string>): readonly string[] {
    const written = new Set(
      this.operations
        .filter(({ kind }) => kind === 'write')
        .map(({ path, value }) => `${path}=${value ?? ''}`),
    );
    const seen = [
      ...this.#ok().flatMap(({ kind, path, value }) =>
        kind === 'read' ? [`${path}=${value ?? ''}`] : [],
      ),
      ...[...last].map(([path, value]) => `${path}=${value}`),
    ];
    return seen.filter((pair) => !written.has(pair)).map((pair) => `I9: ${pair} was never written`);
  }

  #ok(): readonly Operation[] {
    return this.operations.filter(({ outcome }) => outcome === 'ok');
  }

  #tick(): number {
    this.#at += 1;
    return this.#at;
  }
}

function valueIn({ json }: Answer): string | undefined {
  return (json['data'] as Readonly<Record<string, string>> | undefined)?.['value'];
}
