import { readFile } from 'node:fs/promises';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { decodeProtectedHeader, importSPKI, jwtVerify } from 'jose';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { describeWith } from './backends.ts';
import { runHelm } from './helm-calls.ts';
import { apply, deleteObject, grant } from './kube-apply.ts';
import { kubeRequest } from './kube-calls.ts';
import {
  createNamespace,
  createNode,
  createPod,
  createSecret,
  createServiceAccount,
  deletePod,
  setPodStatus,
} from './kube-objects.ts';
import { boundToken, reviewToken } from './kube-tokens.ts';
import { createToken, mountEngine, openBaoCall, openBaoRequest } from './openbao-calls.ts';
import { createDatabase } from './postgres.ts';
import { uniqueName } from './unique-name.ts';
import { until } from './until.ts';

describeWith(['openbao'], 'OpenBao', ({ openbao }) => {
  it('returns a value written to KV v2, and records the read in the audit file', async () => {
    const path = `secret/data/${uniqueName('app')}`;
    await openBaoCall(openbao, 'POST', path, { data: { password: 'first' } });
    await openBaoCall(openbao, 'POST', path, { data: { password: 'second' } });
    expect(await openBaoCall(openbao, 'GET', path)).toMatchObject({
      data: { data: { password: 'second' }, metadata: { version: 2 } },
    });
    expect(await readFile(openbao.auditFile, 'utf8')).toContain(path);
  });

  it('restricts a token to its policy', async () => {
    const mount = await mountEngine(openbao, 'kv', { options: { version: '1' } });
    await openBaoCall(openbao, 'POST', `${mount}/open`, { key: 'value' });
    const policy = `path "${mount}/open" { capabilities = ["read"] }`;
    const reader = { address: openbao.address, rootToken: await createToken(openbao, policy) };
    expect((await openBaoRequest(reader, 'GET', `${mount}/open`)).status).toBe(200);
    expect((await openBaoRequest(reader, 'GET', `${mount}/closed`)).status).toBe(403);
  });
});

describeWith(['kube'], 'Kubernetes', ({ kube }) => {
  const audience = 'https://broker.test';

  async function createWorkload(nodeName: string) {
    const namespace = (await createNamespace(kube)).metadata.name;
    const account = await createServiceAccount(kube, namespace, 'app');
    const pod = await createPod(kube, { namespace, serviceAccount: 'app', nodeName });
    const request = { namespace, serviceAccount: 'app', audience, pod };
    return { namespace, account, pod, request, token: await boundToken(kube, request) };
  }

  it('issues a token bound to a pod, with the claims of the pod, its account and its node', async () => {
    const node = await createNode(kube);
    const { namespace, account, pod, token } = await createWorkload(node.metadata.name);
    const key = await importSPKI(kube.saPublicKeyPem, 'RS256');
    const { payload } = await jwtVerify(token, key, { issuer: kube.issuer, audience });
    expect(Object.keys(decodeProtectedHeader(token)).sort()).toEqual(['alg', 'kid']);
    expect(Object.keys(payload).sort()).toEqual(
      ['aud', 'exp', 'iat', 'iss', 'jti', 'kubernetes.io', 'nbf', 'sub'].sort(),
    );
    expect(payload.sub).toBe(`system:serviceaccount:${namespace}:app`);
    expect(payload['kubernetes.io']).toEqual({
      namespace,
      node: { name: node.metadata.name, uid: node.metadata.uid },
      pod: { name: pod.metadata.name, uid: pod.metadata.uid },
      serviceaccount: { name: 'app', uid: account.metadata.uid },
    });
  });

  it('accepts the token in a TokenReview for its audience only', async () => {
    const { namespace, pod, token } = await createWorkload('node-1');
    expect(await reviewToken(kube, token, [audience])).toMatchObject({
      authenticated: true,
      audiences: [audience],
      user: {
        username: `system:serviceaccount:${namespace}:app`,
        extra: { 'authentication.kubernetes.io/pod-uid': [pod.metadata.uid] },
      },
    });
    expect((await reviewToken(kube, token, ['https://other.test'])).authenticated).not.toBe(true);
  });

  it('refuses the token once it has seen its pod deleted', async () => {
    const { pod, request } = await createWorkload('node-1');
    // A new token for each attempt: the API server caches an accepted one for 10 s.
    const tokens: string[] = [];
    while (tokens.length < 20) tokens.push(await boundToken(kube, request));
    await deletePod(kube, pod);
    await until('the pod is missed', async () => {
      const review = await reviewToken(kube, tokens.pop() ?? '', [audience]);
      return review.authenticated !== true;
    });
    expect(tokens).not.toEqual([]);
  });

  it('keeps a pod terminating when it is deleted with a grace period', async () => {
    const { pod } = await createWorkload('node-1');
    await deletePod(kube, pod, 45);
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
    const { body } = await kubeRequest(kube, 'GET', path);
    expect(body).toMatchObject({
      metadata: { deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 45 },
    });
  });

  it('accepts a pod status through the status subresource', async () => {
    const { pod } = await createWorkload('node-1');
    const status = { phase: 'Running', podIP: '10.1.2.3', podIPs: [{ ip: '10.1.2.3' }] };
    expect(await setPodStatus(kube, pod, status)).toMatchObject({ status });
  });

  it('allows an account its granted rights, and nothing else', async () => {
    const { namespace, token } = await createWorkload('node-1');
    const internal = await boundToken(kube, {
      namespace,
      serviceAccount: 'app',
      audience: kube.issuer,
    });
    const secret = await createSecret(kube, namespace, { password: 'p' });
    const path = `/api/v1/namespaces/${namespace}/secrets/${secret.metadata.name}`;
    const asApp = { ...kube, adminToken: internal };
    expect((await kubeRequest(asApp, 'GET', path)).status).toBe(403);
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
    await grant(kube, { namespace, name: 'app' }, rules);
    await until('the grant is known', async () => {
      return (await kubeRequest(asApp, 'GET', path)).status === 200;
    });
    expect((await kubeRequest(asApp, 'DELETE', path)).status).toBe(403);
    expect((await kubeRequest({ ...kube, adminToken: token }, 'GET', path)).status).toBe(401);
  });

  it('serves objects of a custom kind as soon as its definition was applied', async () => {
    const plural = uniqueName('reports').replace('-', '');
    const group = 'reports.test';
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural, kind: plural },
        versions: [
          { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } },
        ],
      },
    };
    await apply(kube, definition);
    const report = { apiVersion: `${group}/v1`, kind: plural, metadata: { name: 'one' } };
    expect(await apply(kube, { ...report, report: { critical: 3 } })).toMatchObject({
      metadata: { namespace: 'default' },
      report: { critical: 3 },
    });
    await deleteObject(kube, definition);
  });
});

describeWith(['moto'], 'moto', ({ moto }) => {
  it('returns a secret created by a signed call of the SDK', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = moto;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new SecretsManagerClient({ endpoint, region, credentials });
    const Name = uniqueName('app');
    await client.send(new CreateSecretCommand({ Name, SecretString: 'value' }));
    const request = { SecretId: Name, VersionStage: 'AWSCURRENT' };
    const answer = await client.send(new GetSecretValueCommand(request));
    expect(answer.SecretString).toBe('value');
    client.destroy();
  });
});

describeWith(['postgres'], 'PostgreSQL', ({ postgres }) => {
  it('gives each suite a database of its own, over scram', async () => {
    const database = await createDatabase(postgres);
    const client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    const { rows } = await client.query<{ version: string }>('SELECT version()');
    expect(rows[0]?.version).toMatch(/^PostgreSQL \d+\.\d+/);
    const hashed = await client.query(
      "SELECT FROM pg_authid WHERE rolname = current_user AND rolpassword LIKE 'SCRAM-SHA-256$%'",
    );
    expect(hashed.rowCount).toBe(1);
    await client.end();
    await database.drop();
    const late = new pg.Client({ connectionString: database.connectionString });
    await expect(late.connect()).rejects.toThrow('does not exist');
  });

  it("accepts its superuser over TLS with the kit's certificate", async () => {
    const { adminConnectionString: connectionString, caFile } = postgres;
    const ssl = { ca: await readFile(caFile, 'utf8') };
    const client = new pg.Client({ connectionString, ssl });
    await client.connect();
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: true }]);
    await client.end();
  });
});

describeWith(['mariadb'], 'MariaDB', ({ mariadb }) => {
  it("accepts its account over TLS with the kit's certificate, and no user without a password", async () => {
    const { host, port, username: user, password, caFile } = mariadb;
    const ssl = { ca: await readFile(caFile, 'utf8') };
    const connection = await mysql.createConnection({ host, port, user, password, ssl });
    const [rows] = await connection.query("SHOW STATUS LIKE 'Ssl_version'");
    expect(rows).toMatchObject([{ Value: expect.stringMatching(/^TLSv1/) }]);
    const [accounts] = await connection.query(
      "SELECT User FROM mysql.user WHERE User IN ('', 'root')",
    );
    expect(accounts).toEqual([]);
    await connection.end();
  });
});

describeWith(['redis'], 'Redis', ({ redis }) => {
  it("accepts its account over TLS with the kit's certificate, and no user without a password", async () => {
    const { host, port, tlsPort, username, password, caFile } = redis;
    const ca = await readFile(caFile, 'utf8');
    const tls = { host, port: tlsPort, tls: true, ca, reconnectStrategy: false } as const;
    const client = createClient({ username, password, socket: tls }).on('error', () => undefined);
    await client.connect();
    expect(await client.sendCommand(['ACL', 'WHOAMI'])).toBe(username);
    client.destroy();
    const socket = { host, port, reconnectStrategy: false } as const;
    const stranger = createClient({ socket }).on('error', () => undefined);
    await stranger.connect().catch(() => undefined);
    await expect(stranger.sendCommand(['PING'])).rejects.toThrow();
    stranger.destroy();
  });
});

describeWith(['helm'], 'Helm', ({ helm }) => {
  it('reports the version of its build, and uses only its own home', async () => {
    expect((await runHelm(helm, ['version', '--short'])).stdout).toContain(`v${helm.version}`);
    expect((await runHelm(helm, ['env'])).stdout).toContain(`HELM_DATA_HOME="${helm.directory}"`);
  });
});
