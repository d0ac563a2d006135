import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Store, Write } from '../../../src/ports/store.ts';
import type { Tables } from '../../../src/ports/tables.ts';

/**
 * The action at a point: the process is killed or stopped, the code throws, or the code waits there until the process ends. It can wait only at the points
 * of a rotation's step and after a commit.
 */
export type FailpointAction = 'kill' | 'stop' | 'throw' | 'wait';

/**
 * Points at which the broker can fail, once for each line `<point> <action>` of a file. Points are `store.before_commit` and
 * `store.after_commit`; the same for commits that advance a credential (`credential.prepared.before_commit`) and that start a rotation; the
 * moments of a rotation's step (`rotation.set.after_effect`); and every read of a table (`list.leases`, `get.credentials`).
 */
export class Failpoints {
  readonly #file: string;
  /** Stages of plans that wait for their commit. */
  readonly #stages = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * A named point. The point at the beginning of a commit also applies to every plan of the batch.
   * @returns a promise if the code waits there: the steps of rotations await it
   */
  readonly commit = (name: string): unknown => {
    const stages = name === 'store.before_commit' ? [...this.#stages] : [];
    // Plans that arrive while a batch commits belong to the next one.
    if (name === 'store.before_commit') this.#stages.clear();
    const passed = this.#pass(name);
    for (const stage of stages) void this.#pass(`${stage}.before_commit`);
    return passed;
  };

  /** Observes commits, and makes reads fail. */
  watch(store: Store): void {
    const before = {
      commit: store.commit.bind(store),
      list: store.list.bind(store),
      get: store.get.bind(store),
    };
    const replaced: Pick<Store, 'commit' | 'list' | 'get'> = {
      commit: async (plan) => {
        const stages = (plan.writes ?? []).map(stageOf).filter((stage) => stage !== undefined);
        for (const stage of stages) this.#stages.add(stage);
        const outcome = await before.commit(plan);
        // A batch may commit without a plan that must be decided again.
        const isIn = outcome.status === 'committed';
        if (isIn) for (const stage of stages) await this.#pass(`${stage}.after_commit`);
        return outcome;
      },
      list: (query, window) => {
        void this.#pass(`list.${query.spec.table}`);
        return before.list(query, window);
      },
      get: (table, key) => {
        void this.#pass(`get.${table}`);
        return before.get(table, key);
      },
    };
    Object.assign(store, replaced);
  }

  #pass(point: string): Promise<void> | undefined {
    const lines = this.#armed();
    const index = lines.findIndex((line) => line.startsWith(`${point} `));
    if (index < 0) return undefined;
    const action = lines[index]?.slice(point.length + 1);
    const left = lines.toSpliced(index, 1);
    if (left.length > 0) writeFileSync(this.#file, left.join('\n'));
    else rmSync(this.#file);
    if (action === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action === 'stop') {
      process.kill(process.pid, 'SIGSTOP');
      return undefined;
    }
    if (action === 'wait') return new Promise(() => undefined);
    throw new TypeError(`failpoint ${point}`);
  }

  #armed(): readonly string[] {
    // A broker reads tables all the time, and a read of an absent file creates an error each time.
    return existsSync(this.#file) ? readFileSync(this.#file, 'utf8').trim().split('\n') : [];
  }
}

/** The new state of a credential in a commit, or the session or rotation that it starts. */
function stageOf(write: Write): string | undefined {
  if (write.table === 'sessions')
    return 'put' in write ? 'session.created' : 'remove' in write ? 'session.ended' : undefined;
  if (write.table === 'alerts' && 'put' in write) return alertStageOf(write.put);
  if (write.table === 'rotations' && 'put' in write) return 'rotation.started';
  if (write.table !== 'credentials') return undefined;
  if ('put' in write) return 'credential.intended';
  const state = 'change' in write ? write.change.state : undefined;
  return state === undefined ? undefined : `credential.${state}`;
}

/** Names the progress of the response to an alert or of an incident. */
function alertStageOf({ state, body }: Tables['alerts']): string {
  const { ended } = JSON.parse(body) as { readonly ended?: object };
  return state === 'responding' && ended !== undefined ? 'alert.contained' : `alert.${state}`;
}
