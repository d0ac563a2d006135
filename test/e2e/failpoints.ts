import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Store, Write } from '../../src/ports/store.ts';

/** What happens at a point: the process is killed or stopped there, or the code there throws. */
export type FailpointAction = 'kill' | 'stop' | 'throw';

/**
 * Points at which the broker can be made to fail, once for each line of a file that says so: `<point> <action>`. Points are
 * `store.before_commit` and `store.after_commit`, the same of the commits that move a credential on
 * (`credential.prepared.before_commit`) and of those that begin a rotation, the moments of a rotation's step (`rotation.set.after_effect`), and
 * every read of a table (`list.leases`, `get.credentials`).
 */
export class Failpoints {
  readonly #file: string;
  /** Of plans that wait for their commit, and of those in it. */
  readonly #stages = new Set<string>();
  readonly #committing = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  /** At a named point: that of a commit stands for every plan of the batch as well. */
  readonly commit = (name: string): void => {
    const [room, moment = ''] = name.split('.');
    if (room !== 'store') {
      this.#pass(name);
      return;
    }
    if (moment === 'before_commit') {
      // What is asked for while a batch commits belongs to the next one: the end of this one is not its end.
      for (const stage of this.#stages) this.#committing.add(stage);
      this.#stages.clear();
    }
    const stages = [...this.#committing];
    if (moment === 'after_commit') this.#committing.clear();
    for (const point of [name, ...stages.map((stage) => `${stage}.${moment}`)]) this.#pass(point);
  };

  /** Learns what is committed, and makes reads fail. */
  watch(store: Store): void {
    const before = {
      commit: store.commit.bind(store),
      list: store.list.bind(store),
      get: store.get.bind(store),
    };
    const replaced: Pick<Store, 'commit' | 'list' | 'get'> = {
      commit: (plan) => {
        for (const write of plan.writes ?? []) {
          const stage = stageOf(write);
          if (stage !== undefined) this.#stages.add(stage);
        }
        return before.commit(plan);
      },
      list: (table, query) => {
        this.#pass(`list.${table}`);
        return before.list(table, query);
      },
      get: (table, key) => {
        this.#pass(`get.${table}`);
        return before.get(table, key);
      },
    };
    Object.assign(store, replaced);
  }

  #pass(point: string): void {
    const lines = this.#armed();
    const index = lines.findIndex((line) => line.startsWith(`${point} `));
    if (index < 0) return;
    const action = lines[index]?.slice(point.length + 1);
    const left = lines.toSpliced(index, 1);
    if (left.length > 0) writeFileSync(this.#file, left.join('\n'));
    else rmSync(this.#file);
    if (action === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action === 'stop') {
      process.kill(process.pid, 'SIGSTOP');
      return;
    }
    throw new TypeError(`failpoint ${point}`);
  }

  #armed(): readonly string[] {
    try {
      return readFileSync(this.#file, 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  }
}

/** A state that a commit brings a credential into, or a session or rotation that it begins. */
function stageOf(write: Write): string | undefined {
  if (write.table === 'sessions' && 'put' in write) return 'session.created';
  if (write.table === 'rotations' && 'put' in write) return 'rotation.started';
  if (write.table !== 'credentials') return undefined;
  if ('put' in write) return 'credential.intended';
  const state = 'change' in write ? write.change.state : undefined;
  return state === undefined ? undefined : `credential.${state}`;
}
