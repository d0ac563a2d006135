import { openAlert, type AlertRecord } from '../../src/features/alerts/alert-record.ts';
import { decideAlert } from '../../src/features/alerts/alerts.ts';
import { Containment, saveRepeats } from '../../src/features/alerts/contain-responses.ts';
import { raiseAlert } from '../../src/features/alerts/receive-alerts.ts';
import { replacementRounds } from '../../src/features/alerts/response-worker.ts';
import { liftQuarantine } from '../../src/broker/sessions/quarantines.ts';
import type { LoggedReads, ReadersWanted } from '../../src/ports/audit-log.ts';
import { allRows } from '../../src/ports/queries.ts';
import { TestBroker } from '../kit/broker/test-broker.ts';
import { definition } from '../kit/rotation/rotation-bench.ts';

type At = { readonly broker: number };

export type Step =
  | (At & {
      readonly do: 'alert' | 'flood';
      readonly pod: number;
      readonly source: string;
      readonly rule: string;
      readonly count?: number;
    })
  | (At & { readonly do: 'again' | 'contain' | 'rotate' | 'restart' })
  | (At & { readonly do: 'logIn' | 'lift'; readonly pod: number })
  | (At & { readonly do: 'decide'; readonly approves: boolean })
  | { readonly do: 'endPod'; readonly pod: number }
  | { readonly do: 'cutLog'; readonly isCut: boolean }
  | { readonly do: 'advance'; readonly seconds: number };

interface Sent {
  readonly id: string;
  readonly pod: number;
  readonly source: string;
  readonly rule: string;
}

const PATHS = 8;
const HOUR_MS = 3_600_000;
const MOST_ROTATIONS = 4;
/** Longer than the budget of rotations and every retry. */
const SETTLE_MS = 3_700_000;

/** Two brokers on one store that answer alerts about eight pods of two namespaces, with the rules that must hold at every step. */
export class ResponseHistory {
  readonly faults: string[] = [];
  /** Rotations that were in progress or done after a pass, so that a test sees that there were some. */
  rotations = 0;
  readonly #brokers: TestBroker[];
  readonly #passes: {
    containment: Containment;
    rotate: ReturnType<typeof replacementRounds>;
  }[] = [];
  readonly #sent: Sent[] = [];
  /** Alerts that the brokers took, without those that they said were repeated. */
  #taken = 0;
  #isCut = false;
  /** True for a scope about which the last answer of the log was complete. */
  readonly #answers = new Map<string, boolean>();
  readonly #done = new Set<string>();

  private constructor(brokers: TestBroker[]) {
    this.#brokers = brokers;
    brokers.forEach((_, at) => this.#use(at));
  }

  static async begin(): Promise<ResponseHistory> {
    const first = await TestBroker.open();
    const admin = await first.seed();
    const rules = {
      shell: { order: 2, match: { rules: ['shell'] }, action: 'revoke' },
      steal: { order: 1, match: { rules: ['steal'] }, action: 'quarantine', rotate: 'read' },
    };
    for (const [name, spec] of Object.entries(rules))
      await first.put(admin, 'response-rule', name, spec);
    for (let path = 0; path < PATHS; path += 1)
      await first.put(
        admin,
        'definition',
        `app/db-${path}`,
        definition({ options: { user: `u-${path}` } }),
      );
    const history = new ResponseHistory([first, await first.peer()]);
    for (let pod = 0; pod < 8; pod += 1) history.#startPod(pod);
    return history;
  }

  async end(): Promise<void> {
    await this.#brokers[1]?.leave();
    await this.#brokers[0]?.close();
  }

  async take(step: Step): Promise<void> {
    const [first] = this.#brokers;
    switch (step.do) {
      case 'alert':
        await this.#raise(step.broker, { ...step, id: `alr_${this.#sent.length}` });
        break;
      case 'flood': {
        const { count = 0, broker } = step;
        const alerts = Array.from({ length: count }, (_, i) => ({
          ...step,
          id: `alr_${this.#sent.length}_${i}`,
        }));
        await Promise.all(alerts.map((sent) => this.#raise(broker, sent)));
        break;
      }
      case 'again': {
        const sent = this.#sent.at(-1);
        if (sent !== undefined) await this.#raise(step.broker, sent);
        break;
      }
      case 'logIn':
        await this.#at(step.broker)
          .logIn({ namespace: namespaceOf(step.pod), pod: podOf(step.pod) })
          .catch(() => undefined);
        break;
      case 'lift':
        await this.#lift(step.broker, step.pod);
        break;
      case 'decide':
        await this.#decide(step.broker, step.approves);
        break;
      case 'endPod':
        first?.watches.get('c1')?.pods.delete(podOf(step.pod).uid);
        break;
      case 'contain':
        await this.#contain(step.broker);
        break;
      case 'rotate':
        await this.#rotate(step.broker);
        break;
      case 'cutLog':
        this.#isCut = step.isCut;
        break;
      case 'restart':
        await this.#restart(step.broker);
        break;
      case 'advance':
        first?.clock.advance(step.seconds * 1000);
        break;
    }
    await this.#follow();
    await this.#check();
  }

  /** Lets both brokers work until nothing is due, and checks what must hold in the end. */
  async settle(): Promise<void> {
    this.#isCut = false;
    for (const at of [0, 1]) await saveRepeats(this.#at(at).parts);
    for (let round = 0; round < 6; round += 1) {
      await this.#contain(round % 2);
      await this.#rotate(round % 2);
      this.#at(0).clock.advance(SETTLE_MS);
      await this.#check();
    }
    const records = await this.#records();
    const counted = records.reduce((sum, { count = 1 }) => sum + count, 0);
    if (counted !== this.#taken) this.#fault(`${this.#taken} alerts are ${counted} in the store`);
    for (const { id, state, exposed = [] } of records) {
      if (state === 'responding') this.#fault(`${id} is not cut off`);
      const waiting = exposed.filter(({ unrotated }) => unrotated === 'braked');
      if (state === 'contained') this.#fault(`${id} waits for ${waiting.length} rotations`);
    }
  }

  #use(at: number): void {
    const broker = this.#at(at);
    const audit = { ...broker.parts.audit, reads: (wanted: ReadersWanted) => this.#reads(wanted) };
    const { alertSources } = broker.parts;
    const limited = Object.create(alertSources, { maxRotations: { value: MOST_ROTATIONS } });
    const parts = { ...broker.parts, audit, alertSources: limited as typeof alertSources };
    this.#passes[at] = { containment: new Containment(parts), rotate: replacementRounds(parts) };
  }

  /** Every pod read three secrets long ago, one of them alone. */
  #reads({ subject }: ReadersWanted): Promise<LoggedReads> {
    this.#answers.set(subject, !this.#isCut);
    const pod = Number(subject.slice(-1));
    const reads = [pod, pod + 1, pod + 2].map((path) => ({
      path: `app/db-${path % PATHS}`,
      identity: `k8s://c1/${namespaceOf(pod)}/api`,
      versions: ['1'],
      firstIndex: 1,
      firstAt: 1,
      lastIndex: 1,
      lastAt: 1,
    }));
    const gap = { first: 0, end: 1, objects: [], hasMore: false, isArchived: true };
    return Promise.resolve({ reads, unread: this.#isCut ? [gap] : [] });
  }

  async #raise(at: number, sent: Sent): Promise<void> {
    this.#sent.push(sent);
    const { parts, clock } = this.#at(at);
    const { id, source, rule, pod } = sent;
    const outcome = await raiseAlert(parts, {
      id,
      source,
      cluster: 'c1',
      subject: { ...podOf(pod), namespace: namespaceOf(pod), workload: undefined },
      alert: {
        rule,
        tags: [],
        priority: 'critical',
        time: clock.now(),
        instance: id,
        node: undefined,
        isTest: false,
        container: { id: undefined, imageDigest: undefined },
        pod: { namespace: undefined, name: undefined, uid: podOf(pod).uid },
      },
    }).catch((error: unknown) => this.#fault(`an alert was refused: ${String(error)}`));
    if (outcome === 'repeated') return;
    this.#taken += 1;
    // No limit leaves a pod as it was: it is cut off or suspended when the source has its answer.
    const isAnswered = parts.quarantines.standing([`pod:c1/${podOf(pod).uid}`]) !== undefined;
    if (rule !== 'noise' && !isAnswered) this.#fault(`${rule} left pod ${pod} alone: ${outcome}`);
  }

  async #lift(at: number, pod: number): Promise<void> {
    const { parts } = this.#at(at);
    const id = parts.quarantines.find(`pod:c1/${podOf(pod).uid}`)?.id;
    if (id === undefined) return;
    const broker = this.#at(at);
    const admin = await broker.operator('lifter', [{ role: 'admin' }]);
    await liftQuarantine(parts, broker.call(), admin, { id, reason: 'over' });
  }

  async #decide(at: number, approves: boolean): Promise<void> {
    const broker = this.#at(at);
    const waiting = (await this.#records()).find(({ state }) => state === 'pending');
    if (waiting === undefined) return;
    const admin = await broker.operator('decider', [{ role: 'admin' }]);
    await decideAlert(broker.parts, broker.call(), admin, { id: waiting.id, approves });
  }

  async #contain(at: number): Promise<void> {
    await this.#passes[at]?.containment.round(new AbortController().signal);
    await this.#follow();
    const rest = (await this.#records()).filter(({ state }) => state === 'responding');
    if (rest.length > 0) this.#fault(`${rest.length} responses were not cut off at once`);
  }

  /** A response that is due waits only if its source, its namespace or the response itself has used its part of the budget. */
  async #rotate(at: number): Promise<void> {
    const { clock } = this.#at(0);
    const isDue = ({ state, nextAttemptAt = 0 }: AlertRecord): boolean =>
      state === 'contained' && nextAttemptAt <= clock.now();
    const due = new Set((await this.#records()).filter(isDue).map(({ id }) => id));
    await this.#passes[at]?.rotate(new AbortController().signal);
    await this.#follow();
    const records = await this.#records();
    const started = records.flatMap((record) =>
      (record.exposed ?? [])
        .filter(({ rotatedAt = 0 }) => rotatedAt > clock.now() - HOUR_MS)
        .map(() => record),
    );
    this.rotations += started.length;
    for (const { id, source, subject, exposed = [] } of records) {
      if (!due.has(id) || !exposed.some(({ unrotated }) => unrotated === 'braked')) continue;
      const ofSource = started.filter((other) => other.source === source);
      const own = ofSource.filter((other) => other.id === id);
      const near = ofSource.filter((other) => other.subject?.namespace === subject?.namespace);
      const half = MOST_ROTATIONS / 2;
      if (ofSource.length < MOST_ROTATIONS && near.length < half && own.length < half)
        this.#fault(`${id} waits although the budget has room`);
    }
  }

  async #restart(at: number): Promise<void> {
    await saveRepeats(this.#at(at).parts);
    if (at === 0) {
      // The second broker shares the store of the first.
      await saveRepeats(this.#at(1).parts);
      await this.#at(1).leave();
      this.#brokers[0] = await this.#at(0).reopen();
    } else await this.#at(1).leave();
    this.#brokers[1] = await this.#at(0).peer();
    this.#use(0);
    this.#use(1);
  }

  /** Both brokers know what the other one committed. */
  async #follow(): Promise<void> {
    for (const { store, parts } of this.#brokers) await parts.state.waitForChange(store.seq());
  }

  async #check(): Promise<void> {
    const records = await this.#records();
    const rotations = await this.#at(0).store.list(allRows('rotations'), { limit: 1_000 });
    const owners = new Map<string, string>();
    for (const { id, state, quarantines, suspensions = [], ended, ...record } of records) {
      const own = rotations.filter(({ comment }) => comment?.endsWith(`(${id})`));
      const isOver = state === 'contained' || state === 'done';
      if (own.length > 0 && !isOver) this.#fault(`${id} rotates before it is contained`);
      if (isOver && record.response.action !== 'audit' && ended === undefined)
        this.#fault(`${id} is ${state}, and its sessions did not end`);
      const [scope] = record.scopes;
      if (state === 'done' && !this.#done.has(id)) {
        this.#done.add(id);
        if (scope && this.#answers.get(scope.subject) === false)
          this.#fault(`${id} is done, and what its pod read is not complete`);
      }
      for (const each of state === 'dismissed' ? [] : [...quarantines, ...suspensions]) {
        const other = owners.get(each);
        if (other !== undefined) this.#fault(`${id} and ${other} have one quarantine`);
        owners.set(each, id);
      }
    }
    for (const { parts } of this.#brokers) {
      for (const { id } of parts.quarantines.all())
        if (!owners.has(id)) this.#fault(`the quarantine ${id} belongs to no response`);
    }
  }

  async #records(): Promise<readonly AlertRecord[]> {
    const rows = await this.#at(0).store.list(allRows('alerts'), { limit: 10_000 });
    return rows.map(openAlert);
  }

  #startPod(pod: number): void {
    const { name, uid } = podOf(pod);
    const metadata = { namespace: namespaceOf(pod), name, uid };
    const manifest = { metadata, spec: { serviceAccountName: 'api', containers: [] } };
    const facts = { state: 'running', labels: new Map(), manifest: { read: () => manifest } };
    this.#at(0)
      .watches.get('c1')
      ?.pods.set(uid, facts as never);
  }

  #at(broker: number): TestBroker {
    return this.#brokers[broker]!;
  }

  #fault(text: string): undefined {
    if (!this.faults.includes(text)) this.faults.push(text);
    return undefined;
  }
}

function namespaceOf(pod: number): string {
  return pod < 6 ? 'pay' : 'shop';
}

function podOf(pod: number): { readonly name: string; readonly uid: string } {
  return { name: `pod-${pod}`, uid: `uid-${pod}` };
}
