import type { Caller } from '../../../src/broker/access/call.ts';
import { raiseSent } from '../../../src/features/alerts/receive-alerts.ts';
import { approvalWorker } from '../../../src/features/approvals/approval-worker.ts';
import { requireApprovals } from '../../../src/features/approvals/approvals.ts';
import { pushAttestation } from '../../../src/features/attestations/attestations.ts';
import { ClusterDocuments } from '../../../src/features/custom-resources/cluster-documents.ts';
import {
  readClusterObject,
  RESOURCES,
} from '../../../src/features/custom-resources/cluster-object.ts';
import { clusterDocumentsConfigSchema } from '../../../src/features/custom-resources/config.ts';
import { ObjectAuthority } from '../../../src/features/custom-resources/object-authority.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import { pushEvidence } from '../../../src/features/posture/evidence.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { createQuarantine } from '../../../src/broker/sessions/quarantines.ts';
import { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { ROLES, type Grant, type Role } from '../../../src/domain/identity/principal.ts';
import { grantsOfWorkload } from '../../../src/domain/policy/role-binding.ts';
import type { Store } from '../../../src/ports/store.ts';
import type { StoreDeps } from '../../../src/store/store-deps.ts';
import { ImageSigner } from '../images/image-signer.ts';
import { openVex, trivyReport } from '../images/scanner-reports.ts';
import { HandClock } from '../time/hand-clock.ts';
import type { ScriptedWatch } from './test-broker.ts';
import { TestBroker } from './test-broker.ts';
import { pushedBody } from '../api/pushed-body.ts';

/** Pods of the team `bank`: the image of each, and the profile that is for it. */
export const PODS = {
  vulnerable: { image: 1, gate: 'scanned' },
  unscanned: { image: 2, gate: 'scanned' },
  unsigned: { image: 3, gate: 'signed' },
  quarantined: { image: 4, gate: 'none' },
  fit: { image: 5, gate: 'none' },
} as const;
export type Pod = keyof typeof PODS;

const scoped = (role: Role, ...scope: readonly string[]): readonly Grant[] => [{ role, scope }];
/** Operators of the team `shop`, and of no team. */
export const OPERATORS: Readonly<Record<string, readonly Grant[]>> = {
  ann: scoped('admin'),
  bob: scoped('admin'),
  policies: scoped('policy-editor'),
  'shop-policies': scoped('policy-editor', 'kv/shop'),
  secrets: scoped('secret-editor'),
  'shop-secrets': scoped('secret-editor', 'kv/shop'),
  'shop-reader': scoped('secret-reader', 'kv/shop'),
  'shop-rotator': scoped('rotator', 'kv/shop'),
  scanner: scoped('evidence-writer'),
  'shop-scanner': scoped('evidence-writer', 'registry.test/shop'),
  responder: scoped('responder'),
  'shop-responder': scoped('responder', 'kv/shop'),
  auditor: scoped('auditor'),
};
/** Callers of the team `bank`, whose calls must always succeed, and an operator without a user. */
const OTHERS: typeof OPERATORS = {
  security: scoped('evidence-writer'),
  'bank-policies': scoped('policy-editor', 'kv/bank'),
  puppet: scoped('auditor'),
};
const WORKLOADS = ['pipeline', 'workload'] as const;

export const SHOP_PODS = 8;
export const digestOf = (image: number): string => `sha256:${String(image).padStart(64, '0')}`;
/** The profile for pods with the label `gate: scanned`. */
export const SCANNED = {
  mode: 'enforce',
  match: { secretPaths: ['kv/**'], podLabels: { gate: 'scanned' } },
  vulnerabilities: { deny: ['CRITICAL'] },
};
const TENANT = { namespaces: [{ name: 'shop', prefixes: ['kv/shop'] }], clusterKinds: [] };

interface Report {
  readonly image: number;
  readonly scanner: string;
  readonly severity: string | undefined;
}

/** Two brokers on one store, with what the team `bank` protects and the callers that may not lower that. */
export class TwoTeams {
  readonly #signer = new ImageSigner();
  readonly #signatures = new Map<number, object>();
  readonly #sessions = new Map<string, string>();
  #count = 0;

  #first: TestBroker;
  #second: TestBroker;

  private constructor(first: TestBroker, second: TestBroker) {
    this.#first = first;
    this.#second = second;
  }

  /** @param openStore opens a store whose server has a clock of its own; the default is SQLite */
  static async open(openStore?: (deps: StoreDeps) => Promise<Store>): Promise<TwoTeams> {
    const ofServer = openStore && { openStore, clock: new HandClock(Date.now()) };
    const first = await TestBroker.open({}, ofServer);
    await first.seed();
    const teams = new TwoTeams(first, await first.peer());
    await teams.#fill();
    return teams;
  }

  get brokers(): readonly TestBroker[] {
    return [this.#first, this.#second];
  }

  async close(): Promise<void> {
    await this.#second.leave();
    await this.#first.close();
  }

  async #fill(): Promise<void> {
    const first = this.#first;
    this.#shareSecrets();
    const watch = first.watches.get('c1') as ScriptedWatch;
    for (const [pod, { image, gate }] of Object.entries(PODS))
      addPod(watch, `bank/${pod}`, `bank/web@${digestOf(image)}`, gate);
    for (const name of [...WORKLOADS, ...Array.from({ length: SHOP_PODS }, (_, at) => `web-${at}`)])
      addPod(watch, `shop/${name}`, `shop/web@${digestOf(9)}`, 'none');
    addPod(watch, 'bank/pipeline', `bank/ci@${digestOf(8)}`, 'none');
    for (const [name, grants] of Object.entries({ ...OPERATORS, ...OTHERS }))
      await first.operator(name, grants);
    const root = await this.#operator(first, 'root');
    const documents: readonly (readonly [DocumentKind, string, unknown])[] = [
      ['policy', 'kv.bank', accessPolicy('kv.bank', 'bank', ['kv/bank/db'])],
      ['posture-profile', 'scanned', SCANNED],
      ['posture-profile', 'signed', signedProfile(this.#signer.pem)],
      ['response-rule', 'cut-off', { order: 1, match: {}, action: 'quarantine', scope: 'pod' }],
      ['role-binding', 'bank-ci', evidenceBinding('bank', ['registry.test/bank'])],
      ['role-binding', 'shop-ci', evidenceBinding('shop', ['registry.test/shop'])],
    ];
    for (const [kind, name, body] of documents) await first.put(root, kind, name, body);
    await createQuarantine(first.parts, first.call(), root, {
      scope: { kind: 'pod', subject: 'c1/bank-quarantined' },
      reason: 'INC-1',
      seconds: undefined,
    });
    await this.push(first, await this.#operator(first, 'security'), {
      image: 1,
      scanner: 'trivy',
      severity: 'critical',
    });
    await requireApprovals(first.parts, first.call(), root, ROLES);
    await first.store.real.commit({
      writes: [{ table: 'documents', remove: { kind: 'operator', name: 'root' } }],
      invalidates: ['document:operator/root', 'operator:root'],
    });
    await this.settle();
    // A pod that is refused for another reason, or not at all, would prove nothing.
    for (const broker of this.brokers)
      for (const pod of Object.keys(PODS) as Pod[])
        if ((await this.reads(broker, pod)) !== (pod === 'fit')) throw new Error(`the pod ${pod}`);
  }

  #shareSecrets(): void {
    for (const { backend } of this.brokers)
      for (const path of ['kv/bank/db', 'kv/vault/key'])
        backend.secrets.set(path, { data: { v: '1' }, version: '1' });
  }

  /** Waits until both brokers know every change. */
  async settle(): Promise<void> {
    const seq = Math.max(...this.brokers.map(({ parts }) => parts.state.applied()));
    for (const { parts } of this.brokers) await parts.state.waitForChange(seq);
  }

  /** The identified caller; undefined for one without a token, or whose token has ended. */
  async caller(broker: TestBroker, by: string): Promise<Caller | undefined> {
    if (by === 'pipeline' || by === 'workload') return this.#session(broker, 'shop', by);
    return by === 'namespace' || by === 'source' ? undefined : this.#operator(broker, by);
  }

  async #operator({ parts, operatorTokens }: TestBroker, name: string): Promise<LiveOperator> {
    return (await parts.tokens.find(operatorTokens.get(name)!, parts.catalog))!;
  }

  async #session(broker: TestBroker, namespace: string, name: string): Promise<LiveSession> {
    const uid = `${namespace}-${name}`;
    const live = await broker.parts.sessions.find(this.#sessions.get(uid) ?? 'none');
    if (live !== undefined && live.session.endsAt > broker.clock.now()) return live;
    const claims = { namespace, serviceAccount: name, pod: { name, uid }, lifeMs: 3_600_000 };
    const { token } = await broker.openSession(claims);
    this.#sessions.set(uid, token);
    return (await broker.parts.sessions.find(token))!;
  }

  /** Reports whether a pod of the bank gets the value. */
  async reads(broker: TestBroker, pod: Pod, path = 'kv/bank/db'): Promise<boolean> {
    try {
      const live = await this.#session(broker, 'bank', pod);
      await readSecret(broker.parts, broker.call(), live, { path });
      return true;
    } catch (error) {
      const { code } = BrokerError.from(error);
      if (code === 'ERR_INTERNAL') throw error;
      return false;
    }
  }

  /** Pushes a report of a scanner about an image of the bank, with one vulnerability or none. */
  async push(broker: TestBroker, by: Caller, wish: Report): Promise<void> {
    const { image, scanner, severity } = wish;
    const CreatedAt = this.#time(broker);
    const Metadata = { RepoDigests: [`registry.test/bank/web@${digestOf(image)}`] };
    const affects = [{ ref: 'pkg:deb/debian/zlib1g@1' }];
    // Trivy lists the packages that it saw; a scan of nothing would not prove an image clean.
    const report =
      scanner === 'trivy'
        ? trivyReport(
            { CreatedAt, Metadata },
            severity === undefined ? [] : [{ Severity: severity.toUpperCase() }],
          )
        : {
            bomFormat: 'CycloneDX',
            specVersion: '1.5',
            metadata: { timestamp: CreatedAt, tools: { components: [{ name: scanner }] } },
            vulnerabilities: [{ id: 'CVE-2026-1000', ratings: [{ severity: 'low' }], affects }],
          };
    const text = JSON.stringify(report);
    const pushed = pushedBody({
      report: text,
      image: [digestOf(image)],
      covers: ['vulnerabilities'],
    });
    await pushEvidence(broker.parts, broker.call(), by, pushed);
  }

  /** Pushes a VEX document that denies the vulnerability. */
  async excuse(broker: TestBroker, by: Caller, image: number): Promise<void> {
    const products = [{ '@id': `pkg:oci/web@${digestOf(image)}` }];
    const document = openVex({ products }, { timestamp: this.#time(broker) });
    const pushed = pushedBody({ report: JSON.stringify(document), image: [digestOf(image)] });
    await pushEvidence(broker.parts, broker.call(), by, pushed);
  }

  #time({ clock }: TestBroker): string {
    return new Date(clock.now()).toISOString();
  }

  async sign(broker: TestBroker, by: Caller, attestation: object): Promise<void> {
    await pushAttestation(broker.parts, broker.call(), by, pushedBody({ attestation }));
  }

  /** The bank's signature of an image, which every caller may know once the bank has pushed it. */
  knownSignature(image: number): object | undefined {
    return this.#signatures.get(image);
  }

  async #signAsBank(broker: TestBroker, by: Caller, image: number): Promise<void> {
    const signature = this.#signatures.get(image) ?? this.#signer.bundle(digestOf(image));
    this.#signatures.set(image, signature);
    await this.sign(broker, by, signature);
  }

  /** Sends a new alert about a pod. */
  alert(broker: TestBroker, source: string, uid: string): Promise<string> {
    this.#count += 1;
    return raiseSent(broker.parts, {
      source,
      cluster: 'c1',
      alert: {
        rule: 'Terminal shell',
        tags: [],
        priority: 'critical',
        time: broker.clock.now(),
        instance: String(this.#count),
        node: undefined,
        container: { id: undefined, imageDigest: undefined },
        pod: { namespace: undefined, name: undefined, uid },
        isTest: false,
      },
    });
  }

  /** Applies a policy that the namespace `shop` wrote in its cluster. */
  async applyObject({ parts }: TestBroker, wish: { namespace: string; path: string }) {
    this.#count += 1;
    const [config] = clusterDocumentsConfigSchema.parse([
      { cluster: 'c1', connection: 'k', ...TENANT },
    ]);
    const authority = new ObjectAuthority(config!, sha256Hex);
    const resource = RESOURCES.find(({ kind }) => kind === 'policy')!;
    const metadata = { name: 'own', namespace: 'shop', uid: 'uid-own', generation: this.#count };
    const { spec } = accessPolicy('own', wish.namespace, [wish.path]);
    const object = readClusterObject(resource, { metadata, spec });
    const verdict = await new ClusterDocuments(parts, authority, 'kube.test').apply(object);
    if (!verdict.isAccepted) throw new BrokerError('ERR_DENIED', verdict.message);
  }

  /** Lets time pass, and lets the broker end what has expired. */
  async wait({ clock, parts }: TestBroker, ms: number): Promise<void> {
    clock.advance(ms);
    const worker = approvalWorker(parts);
    worker.start();
    for (let turns = 0; turns < 20; turns += 1) await new Promise((done) => setImmediate(done));
    await worker.stop();
  }

  /** Both brokers begin again with nothing in memory. */
  async restart(): Promise<void> {
    await this.#second.leave();
    this.#first = await this.#first.reopen();
    this.#second = await this.#first.peer();
    this.#shareSecrets();
  }

  /** Makes the bank's own calls: a report, a signature and a change of its policy. @returns the errors of those that fail */
  async failuresOfBank(broker: TestBroker, image: number): Promise<readonly string[]> {
    const { catalog } = broker.parts;
    const pipeline = await this.#session(broker, 'bank', 'pipeline');
    const editor = await this.#operator(broker, 'bank-policies');
    const report = { image, scanner: 'trivy', severity: 'critical' };
    const body = accessPolicy('kv.bank', 'bank', ['kv/bank/db']);
    const calls: Record<string, () => Promise<void>> = {
      push: () => this.push(broker, pipeline, report),
      sign: () => this.#signAsBank(broker, pipeline, image),
      write: () => broker.put(editor, 'policy', 'kv.bank', body),
    };
    const own = catalog.find('policy', 'kv.bank');
    // A policy editor may remove it, or change it for the time of an elevation.
    if (own === undefined || own.elevation !== undefined) delete calls['write'];
    const failures: string[] = [];
    for (const [name, send] of Object.entries(calls))
      await send().catch((error: unknown) => {
        const { code, detail = '' } = BrokerError.from(error);
        failures.push(`bank: ${name}: ${code} ${detail}`);
      });
    await this.settle();
    return failures;
  }

  /** Reports whether an alert of the bank's own source cuts its pod off for good, unless a policy editor changed the rule. */
  async isBankAnswered(): Promise<boolean> {
    const { catalog, quarantines } = this.#first.parts;
    await this.alert(this.#first, 'bank-falco', 'bank-fit');
    const rule = catalog.find('response-rule', 'cut-off');
    const own = quarantines.covering(['pod:c1/bank-fit']);
    return rule?.version !== 1 || (own !== undefined && own.endsAt === undefined);
  }
}

/** The grants of a caller at this moment. */
export function grantsOfCaller(
  { parts }: TestBroker,
  caller: Caller | undefined,
): readonly Grant[] {
  if (caller === undefined) return [];
  return caller instanceof LiveOperator
    ? caller.operator.grants
    : grantsOfWorkload(parts.catalog.all('role-binding'), caller.session.workload);
}

function signedProfile(key: string): object {
  const authorities = [{ name: 'bank', key }];
  return {
    mode: 'enforce',
    match: { secretPaths: ['kv/**'], podLabels: { gate: 'signed' } },
    image: { signatures: [{ images: ['registry.test/bank/**'], authorities }] },
  };
}

function addPod(watch: ScriptedWatch, place: string, image: string, gate: string): void {
  const [namespace = '', name = ''] = place.split('/');
  const uid = `${namespace}-${name}`;
  const metadata = { name, namespace, uid, labels: { gate } };
  const spec = {
    serviceAccountName: name,
    containers: [{ name: 'web', image: `registry.test/${image}` }],
  };
  watch.pods.set(uid, {
    state: 'running',
    labels: new Map([['gate', gate]]),
    manifest: { read: () => ({ metadata, spec }) },
  });
}

export function accessPolicy(name: string, namespace: string, paths: readonly string[]) {
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: [namespace], serviceAccounts: ['*'] }],
      rules: [{ name: 'r', effect: 'allow', paths, capabilities: ['read'] }],
    },
  };
}

/** Lets the pipeline of a namespace push reports about images of some repositories. */
export function evidenceBinding(namespace: string, scope: readonly string[]): object {
  const workloads = [{ clusters: ['c1'], namespaces: [namespace], serviceAccounts: ['pipeline'] }];
  return { workloads, grants: [{ role: 'evidence-writer', scope }] };
}
