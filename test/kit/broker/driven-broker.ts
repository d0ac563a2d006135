import { authenticate } from '../../../src/broker/access/authenticate.ts';
import { deleteDocument } from '../../../src/broker/documents/apply-document.ts';
import { endOwnSession } from '../../../src/broker/leases/end-session.ts';
import { createQuarantine, liftQuarantine } from '../../../src/broker/sessions/quarantines.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { renewSession } from '../../../src/broker/sessions/renew-session.ts';
import { revokeLeases, type LeaseSelector } from '../../../src/broker/leases/revoke-leases.ts';
import type { SessionSelector } from '../../../src/broker/state/select-sessions.ts';
import { endMatchingSessions } from '../../../src/broker/sessions/sessions.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import { expiryWorker } from '../../../src/broker/leases/expiry.ts';
import { PodEndings } from '../../../src/broker/sessions/pod-endings.ts';
import { destroySecret, writeSecret } from '../../../src/broker/secrets/write-secret.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { scopeFence, type QuarantineScope } from '../../../src/domain/identity/quarantine.ts';
import { accountOf, workloadId, type Workload } from '../../../src/domain/identity/workload.ts';
import type { ScriptedWatch } from './test-broker.ts';
import { policy, TestBroker } from './test-broker.ts';
import type { Command, Reply, Scope } from '../../model/reference-model.ts';

const MINUTE = 60_000;

/** The use cases over a real store. Each history uses unique names, so that many run on one store. */
export class DrivenBroker {
  #broker: TestBroker;
  #admin: LiveOperator;
  #history = 0;
  #begunAt = 0;
  #tokens: string[] = [];
  /** Entries committed since the last command began. */
  #entries: string[] = [];

  private constructor(broker: TestBroker, admin: LiveOperator) {
    this.#broker = broker;
    this.#admin = admin;
    this.#watchCommits();
  }

  static async open(): Promise<DrivenBroker> {
    const broker = await TestBroker.open();
    const admin = await broker.seed();
    const mount = { prefix: 'own', connection: 'embedded', leaseTtl: '10m' };
    await broker.put(admin, 'mount', 'own', mount);
    const editor = await broker.operator('editor', [
      { role: 'admin' },
      { role: 'secret-editor' },
      { role: 'responder' },
    ]);
    return new DrivenBroker(broker, editor);
  }

  beginHistory(): void {
    this.#history += 1;
    this.#begunAt = this.#broker.clock.now();
    this.#tokens = [];
  }

  /** Runs one command. @returns its reply in the form of the model, and the number of recorded disclosures. */
  async run(command: Command): Promise<{ readonly reply: Reply; readonly disclosures: number }> {
    this.#entries = [];
    const reply = await this.#reply(command).catch(
      (error: unknown) => BrokerError.from(error).code,
    );
    const disclosures = this.#entries.filter(
      (entry) => entry.includes('"action":"secret.read"') && entry.includes('"outcome":"ok"'),
    ).length;
    return { reply, disclosures };
  }

  async close(): Promise<void> {
    await this.#broker.close();
  }

  async #reply(command: Command): Promise<Reply> {
    const { parts } = this.#broker;
    const call = this.#broker.call();
    switch (command.do) {
      case 'allow':
      case 'deny':
        return this.#putPolicy(command);
      case 'removePolicy': {
        const name = this.#policyName(command.effect, command.account);
        const change = { kind: 'policy', name, precondition: { ifMatch: '*' } } as const;
        await deleteDocument(parts, call, this.#admin, change);
        return 'ok';
      }
      case 'logIn': {
        const { token } = await this.#broker.openSession(this.#claims(command));
        this.#tokens.push(token);
        return 'ok';
      }
      case 'renew':
        return this.#as(command.session, (live, sessionToken) =>
          this.#renew(live, sessionToken, command.minutes),
        );
      case 'logOut':
        return this.#as(command.session, async (live) => {
          await endOwnSession(parts, call, live);
          return 'ok';
        });
      case 'write': {
        const data = { value: 'v' };
        await writeSecret(parts, call, this.#admin, { path: this.#path(command.path), data });
        return 'ok';
      }
      case 'destroy':
        await destroySecret(parts, call, this.#admin, { path: this.#path(command.path) });
        return 'ok';
      case 'read':
        return this.#as(command.session, async (live) => {
          const path = this.#path(command.path);
          const { value, lease } = await readSecret(parts, call, live, { path });
          return `${value.version} until ${(lease?.endsAt ?? 0) - this.#begunAt}`;
        });
      case 'revokePath':
        return this.#revoke({ path: this.#path(command.path) });
      case 'revokeAccount':
        return this.#revoke({ workload: workloadId(this.#workload(command.account)) });
      case 'revokePod':
        return this.#revoke({ pod: this.#pod(command.pod).uid });
      case 'endPod':
        await this.#endPod(command.pod);
        return 'ok';
      case 'endSessions': {
        const selector = this.#sessionsOf(command.scope);
        await endMatchingSessions(parts, call, this.#admin, { selector });
        return 'ok';
      }
      case 'quarantine': {
        const scope = this.#quarantineOf(command.scope);
        const seconds = command.minutes === undefined ? undefined : command.minutes * 60;
        await createQuarantine(parts, call, this.#admin, { scope, reason: 'test', seconds });
        return 'ok';
      }
      case 'lift': {
        const found = parts.quarantines.find(scopeFence(this.#quarantineOf(command.scope)));
        await liftQuarantine(parts, call, this.#admin, {
          id: found?.id ?? 'qua_none',
          reason: 'over',
        });
        return 'ok';
      }
      case 'advance':
        this.#broker.clock.advance(command.minutes * MINUTE);
        return 'ok';
      case 'expire':
        await this.#expire();
        return 'ok';
      case 'restart':
        await this.#restart();
        return 'ok';
    }
  }

  async #as(
    index: number,
    work: (live: LiveSession, token: string) => Promise<Reply>,
  ): Promise<Reply> {
    const token = this.#tokens[index % Math.max(1, this.#tokens.length)];
    if (token === undefined) return 'no session';
    const caller = await authenticate(this.#broker.parts, this.#broker.call(), token);
    return work(caller as LiveSession, token);
  }

  async #putPolicy({
    do: effect,
    account,
    path,
  }: Command & { do: 'allow' | 'deny' }): Promise<Reply> {
    const name = this.#policyName(effect, account);
    const document = policy(name, [this.#path(path)], { rule: { effect }, capabilities: ['read'] });
    const { cluster, namespace, serviceAccount } = accountOf(this.#workload(account));
    const subject = {
      clusters: [cluster],
      namespaces: [namespace],
      serviceAccounts: [serviceAccount],
    };
    const spec = { ...(document as { spec: object }).spec, subjects: [subject] };
    await this.#broker.put(this.#admin, 'policy', name, { ...document, spec });
    return 'ok';
  }

  async #renew(live: LiveSession, sessionToken: string, minutes: number): Promise<Reply> {
    const { pod } = live.session.workload;
    const { serviceAccount } = accountOf(live.session.workload);
    const claims = { namespace: this.#namespace(), serviceAccount, lifeMs: minutes * MINUTE };
    const token = this.#broker.token(pod === undefined ? claims : { ...claims, pod });
    await renewSession(this.#broker.parts, this.#broker.call(), live, { token, sessionToken });
    return 'ok';
  }

  async #revoke(selector: LeaseSelector): Promise<Reply> {
    await revokeLeases(this.#broker.parts, this.#broker.call(), this.#admin, { selector });
    return 'ok';
  }

  #sessionsOf(scope: Scope): SessionSelector {
    return 'pod' in scope
      ? { cluster: 'c1', pod: this.#pod(scope.pod).uid }
      : { workload: workloadId(this.#workload(scope.account)) };
  }

  #quarantineOf(scope: Scope): QuarantineScope {
    return 'pod' in scope
      ? { kind: 'pod', subject: `c1/${this.#pod(scope.pod).uid}` }
      : { kind: 'workload', subject: workloadId(this.#workload(scope.account)) };
  }

  async #endPod(pod: number): Promise<void> {
    const { name, uid } = this.#pod(pod);
    this.#watch().pods.set(uid, { state: 'ended', labels: new Map() });
    const endings = new PodEndings(this.#broker.parts);
    const namespace = this.#namespace();
    endings.ended({ cluster: 'c1', uid, namespace, name, reason: 'deleted' });
    await loopTurns();
    await endings.stop();
  }

  async #expire(): Promise<void> {
    const worker = expiryWorker(this.#broker.parts);
    worker.start();
    await loopTurns();
    await worker.stop();
  }

  async #restart(): Promise<void> {
    this.#broker = await this.#broker.reopen();
    this.#watchCommits();
    const token = this.#broker.operatorTokens.get('editor') ?? '';
    const admin = await this.#broker.parts.tokens.find(token, this.#broker.parts.catalog);
    if (admin === undefined) throw new Error('the operator is gone after a restart');
    this.#admin = admin;
  }

  #watchCommits(): void {
    this.#broker.store.beforeCommit = ({ entries = [] }) => void this.#entries.push(...entries);
  }

  #watch(): ScriptedWatch {
    const watch = this.#broker.watches.get('c1');
    if (watch === undefined) throw new Error('no watch');
    return watch;
  }

  #claims({ account, pod, minutes }: Command & { do: 'logIn' }): object {
    const { namespace, serviceAccount } = accountOf(this.#workload(account));
    return { namespace, serviceAccount, pod: this.#pod(pod), lifeMs: minutes * MINUTE };
  }

  #workload(account: number): Workload {
    const serviceAccount = `sa-${account}`;
    const serviceAccountUid = `uid-${serviceAccount}`;
    return { cluster: 'c1', namespace: this.#namespace(), serviceAccount, serviceAccountUid };
  }

  #namespace(): string {
    return `ns-${this.#history}`;
  }

  #pod(pod: number): { readonly name: string; readonly uid: string } {
    return { name: `pod-${pod}`, uid: `uid-${this.#history}-${pod}` };
  }

  #path(path: number): string {
    return `own/h${this.#history}/s${path}`;
  }

  #policyName(effect: string, account: number): string {
    return `h${this.#history}-${effect}-${account}`;
  }
}

/** Waits some turns of the event loop: each commit takes one. */
async function loopTurns(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}
