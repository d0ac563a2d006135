import { BrokerError } from '../../../src/domain/errors.ts';
import type { Outcome, Plan, Store } from '../../../src/ports/store.ts';

/** A store with a hook before its commits: an invalidation, another commit, a failure. */
export class HookedStore implements Store {
  readonly real: Store;
  /** Runs before each commit; its error becomes the commit's error. */
  beforeCommit: (plan: Plan) => void | Promise<void> = () => undefined;
  /** The result of `fault`. */
  faultCode: ReturnType<Store['fault']>;

  constructor(real: Store) {
    this.real = real;
  }

  async commit(plan: Plan): Promise<Outcome> {
    await this.beforeCommit(plan);
    return this.real.commit(plan);
  }

  /** Runs `work` once, before the first commit whose plan `matches`. */
  once(matches: (plan: Plan) => boolean, work: (plan: Plan) => unknown): void {
    this.beforeCommit = async (plan) => {
      if (!matches(plan)) return;
      this.beforeCommit = () => undefined;
      await work(plan);
    };
  }

  /** Refuses the next commit whose plan `matches`, without any effect. */
  refuseOnce(matches: (plan: Plan) => boolean): void {
    this.once(matches, () => {
      throw new BrokerError('ERR_AUDIT_UNAVAILABLE');
    });
  }

  get: Store['get'] = (table, key) => this.real.get(table, key);
  list: Store['list'] = (query, window) => this.real.list(query, window);
  count: Store['count'] = (query) => this.real.count(query);
  pendingWriters: Store['pendingWriters'] = () => this.real.pendingWriters();
  seq: Store['seq'] = () => this.real.seq();
  catchUp: Store['catchUp'] = () => this.real.catchUp();
  watch: Store['watch'] = (listener) => this.real.watch(listener);
  fault: Store['fault'] = () => this.faultCode ?? this.real.fault();
  close: Store['close'] = () => this.real.close();
}

/** Matches plans with an entry of this action. */
export function records(action: string): (plan: Plan) => boolean {
  return ({ entries = [] }) => entries.some((entry) => entry.includes(`"action":"${action}"`));
}
