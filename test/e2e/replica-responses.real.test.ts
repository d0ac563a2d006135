import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import {
  createDatabase,
  startPostgres,
  type Postgres,
  type TestDatabase,
} from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { ALERT_SECRET, alertSource, logInPod, podCluster } from '../kit/broker/pod-cluster.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import type { Answer } from '../kit/broker/installation.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import { trivyReport } from '../kit/images/scanner-reports.ts';

const DIGEST = `sha256:${'1'.repeat(64)}`;
const ACCOUNT = { namespace: 'shop', serviceAccount: 'web' };

describeWith(['postgres'], 'two replicas on one database', () => {
  let postgres: Running<Postgres>;
  let database: TestDatabase;
  let kube: FakeApiServer;
  let first: PreparedBroker;
  let second: PreparedBroker;

  beforeAll(async () => {
    kube = await FakeApiServer.start();
    kube.createAccount(ACCOUNT.namespace, ACCOUNT.serviceAccount);
    postgres = await startPostgres();
    database = await createDatabase(postgres);
    const { connections, documents } = podCluster(kube, ACCOUNT);
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString, falco: ALERT_SECRET },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        connections,
        alerts: alertSource(directory),
      }),
      documents: {
        ...documents,
        '/response-rules/all': { order: 1, match: { sources: ['falco'] }, action: 'quarantine' },
      },
      secrets: { 'own/db': { password: 'v' }, 'own/signed': { password: 'v' } },
    });
    second = await first.replica();
    await second.installation.start();
  });
  afterAll(async () => {
    await (second as PreparedBroker | undefined)?.remove();
    await (first as PreparedBroker | undefined)?.remove();
    await kube.close();
    await postgres.stop();
  });

  const ask = (
    { installation, operator }: PreparedBroker,
    path: string,
    body: object,
    token = operator,
  ): Promise<Answer> => installation.call('POST', `/api/v1/${path}`, { token, body });

  /** A pod that logged in at the first replica and reads at the second. */
  async function reader(name: string): Promise<{ readonly pod: FakePod; readonly token: string }> {
    const image = `registry.test/prod/web@${DIGEST}`;
    const spec = { containers: [{ name: 'web', image }] };
    const pod = kube.pods.create({ ...ACCOUNT, name, spec });
    const token = await logInPod(first, kube, pod);
    expect((await second.read(token, 'own/db')).status).toBe(200);
    return { pod, token };
  }

  it('stop reads at one for an alert that reached the other', async () => {
    const { pod, token } = await reader('alerted');
    const alert = { rule: 'shell', priority: 'critical', time: new Date().toISOString() };
    const body = { ...alert, pod: { uid: pod.metadata.uid } };
    expect((await ask(first, 'alert-sources/falco/alerts', body, ALERT_SECRET)).status).toBe(202);
    // No wait: the quarantine is a fence in the database.
    expect((await second.read(token, 'own/db')).status).not.toBe(200);
    await until('the session is unknown', async () => {
      return (await second.read(token, 'own/db')).status === 401;
    });
  });

  it('find a pod that is gone at both, after a restart by its name only', async () => {
    const { pod } = await reader('gone');
    await second.installation.stop();
    kube.pods.remove(pod);
    await second.installation.start();
    await until('the watch is live', async () => {
      return (await second.metric('quaymaster_pod_watches{cluster="pods",status="live"}')) > 0;
    });
    const alert = { rule: 'hit and run', priority: 'critical', time: new Date().toISOString() };
    const body = { ...alert, pod: { namespace: 'shop', name: 'gone' } };
    expect((await ask(second, 'alert-sources/falco/alerts', body, ALERT_SECRET)).status).toBe(202);
    const shown = async (at: PreparedBroker): Promise<Answer['json']> => {
      const { token, installation } = { token: at.operator, installation: at.installation };
      const { json } = await installation.call('GET', '/api/v1/alerts?limit=1', { token });
      const [newest] = json['items'] as { readonly id: string }[];
      return (await installation.call('GET', `/api/v1/incidents/${newest?.id}`, { token })).json;
    };
    for (const at of [first, second])
      await until('the response is done', async () => {
        const { alert: answered, secrets } = (await shown(at)) as unknown as {
          readonly alert: { readonly rule: string; readonly state: string };
          readonly secrets: readonly { readonly path: string }[];
        };
        if (answered.rule !== 'hit and run' || answered.state !== 'done') return false;
        expect(answered).toMatchObject({ pod: { uid: pod.metadata.uid, name: 'gone' } });
        expect(secrets.map(({ path }) => path)).toEqual(['own/db']);
        return true;
      });
  });

  /** The token of a new operator that pushes evidence. */
  async function writer(name: string, ...scope: readonly string[]): Promise<string> {
    await first.create(`/operators/${name}`, { grants: [{ role: 'evidence-writer', scope }] });
    return String((await ask(first, `operators/${name}/tokens`, {})).json['token']);
  }

  it('judge at one by writers and signers that reached the other, and share the limits of a writer', async () => {
    const [signer, stranger] = [new ImageSigner(), new ImageSigner()];
    const { token } = await reader('signed');
    const security = await writer('security');
    const team = await writer('team', 'registry.test/prod');
    await first.create('/posture-profiles/signed', {
      mode: 'enforce',
      match: { secretPaths: ['own/signed'] },
      vulnerabilities: { deny: ['CRITICAL'] },
      image: { signatures: [{ images: ['**'], authorities: [{ name: 'ci', key: signer.pem }] }] },
    });
    const scanned = async (by: string, at: PreparedBroker, found?: []): Promise<void> => {
      const Metadata = { RepoDigests: [`registry.test/prod/web@${DIGEST}`] };
      const report = JSON.stringify(
        trivyReport({ CreatedAt: new Date().toISOString(), Metadata }, found),
      );
      const { status } = await ask(at, 'evidence', { report, covers: ['vulnerabilities'] }, by);
      expect(status).toBe(200);
    };
    const signed = async (by: ImageSigner, at: PreparedBroker, n: number): Promise<number> => {
      const attestation = by.bundle(DIGEST, undefined, { n });
      return (await ask(at, 'attestations', { attestation }, team)).status;
    };
    const reads = async (at: PreparedBroker): Promise<unknown> => {
      const { status, json } = await at.read(token, 'own/signed');
      return json['code'] ?? status;
    };
    // Five statements of a writer that no authority signed, in all brokers together.
    const junk: number[] = [];
    for (let n = 0; n < 6; n += 1)
      junk.push(await signed(stranger, n % 2 === 0 ? first : second, n));
    expect(junk).toEqual([201, 201, 201, 201, 201, 409]);
    await scanned(security, first);
    await scanned(team, second, []);
    expect(await signed(signer, second, 0)).toBe(201);
    for (const at of [first, second])
      await until('the finding of another writer counts', async () => {
        return (await reads(at)) === 'ERR_POSTURE_DENIED';
      });
    await scanned(security, second, []);
    for (const at of [first, second])
      await until('the pod is fit', async () => (await reads(at)) === 200);
  });

  it('decide at one by evidence that reached the other', async () => {
    const { token } = await reader('scanned');
    const scanner = await writer('scanner');
    const report = trivyReport({ CreatedAt: new Date().toISOString() });
    const pushed = await ask(first, 'evidence', { report: JSON.stringify(report) }, scanner);
    expect([pushed.status, JSON.stringify(pushed.json)]).toEqual([200, expect.any(String)]);
    await first.create('/posture-profiles/gate', {
      mode: 'enforce',
      match: { secretPaths: ['own/**'] },
      vulnerabilities: { deny: ['CRITICAL'] },
    });
    await until('the read is refused', async () => {
      const { json } = await second.read(token, 'own/db');
      return json['code'] === 'ERR_POSTURE_DENIED';
    });
  });
});
