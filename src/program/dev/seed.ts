import { ApiError, WorkloadSession, type BrokerClient } from '../../client/index.ts';
import { DevIssuer } from './issuer.ts';
import type { RunningPod } from './pods.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';

export const DEMO_POD: RunningPod = {
  namespace: 'shop',
  serviceAccount: 'web',
  name: 'web-0',
  labels: { app: 'web' },
  image: `registry.example/shop/web@sha256:${'5fcbb5dd'.repeat(8)}`,
};

const CREATE = { 'If-None-Match': '*' } as const;

/**
 * Creates a mount, three secrets, a policy that allows one prefix, and the cluster whose tokens may log in. It changes nothing that exists.
 * @returns a line for each thing that was not there yet
 */
export async function seed(operator: BrokerClient): Promise<readonly string[]> {
  const named = { headers: CREATE };
  const cluster = await isCreated(() =>
    operator.call('putCluster', { path: { name: 'dev' }, ...named, body: CLUSTER }),
  );
  const mount = await isCreated(() =>
    operator.call('putMount', { path: { name: 'demo' }, ...named, body: MOUNT }),
  );
  const secrets: string[] = [];
  for (const [path, data] of Object.entries(SECRETS)) {
    const write = { path: { path }, ...named, body: { data } };
    if (await isCreated(() => operator.call('writeSecret', write))) secrets.push(path);
  }
  const policy = await isCreated(() =>
    operator.call('putPolicy', { path: { name: 'demo-web' }, ...named, body: POLICY }),
  );
  const definition = await isCreated(() =>
    operator.call('putDefinition', { path: { path: 'demo/shop/db' }, ...named, body: DEFINITION }),
  );
  const profile = await isCreated(() =>
    operator.call('putPostureProfile', {
      path: { name: 'demo-scanned' },
      ...named,
      body: SCANNED_PROFILE,
    }),
  );
  const rule = await isCreated(() =>
    operator.call('putResponseRule', { path: { name: 'demo-shell' }, ...named, body: SHELL_RULE }),
  );
  const lines: readonly (readonly [boolean, string])[] = [
    [cluster, 'registered cluster "dev", whose tokens this process signs'],
    [mount, 'mounted the embedded encrypted store at demo/'],
    [secrets.length > 0, `wrote ${secrets.join(', ')}`],
    [
      policy,
      'saved policy "demo-web": service account shop/web may read and list demo/shop/**, and nothing else',
    ],
    [definition, 'defined demo/shop/db to rotate every 30 days'],
    [
      profile,
      'saved posture profile "demo-scanned": pods with the label scan=required need an image without a critical vulnerability that has a fix',
    ],
    [rule, 'saved response rule "demo-shell": a shell in such a pod puts the pod in quarantine'],
  ];
  return lines.flatMap(([isNew, line]) => (isNew ? [line] : []));
}

const CLUSTER = {
  connection: 'dev-issuer',
  issuer: DevIssuer.issuer,
  audiences: [DevIssuer.audience],
  podWatch: false,
};

const MOUNT = { prefix: 'demo', connection: EMBEDDED } as const;

const DEFINITION = {
  rotation: {
    strategy: 'generated',
    options: { keys: { password: { length: 24 } } },
    schedule: { every: '30d' },
    // The line that rotates can be pasted again after a minute: no holder of the demonstration acknowledges.
    grace: '1m',
  },
} as const;

const SECRETS = {
  'demo/shop/db': { username: 'shop', password: 'correct-horse-battery-staple' },
  'demo/shop/api': { key: 'not-a-real-key' },
  'demo/payments/db': { username: 'payments', password: 'only-for-payments' },
} as const;

const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'demo-web' },
  spec: {
    subjects: [{ clusters: ['dev'], namespaces: ['shop'], serviceAccounts: ['web'] }],
    rules: [
      {
        name: 'own-secrets',
        effect: 'allow',
        paths: ['demo/${namespace}/**'],
        capabilities: ['read', 'list'],
        maxLeaseTtl: '15m',
      },
    ],
  },
} as const;

const SCANNED_PROFILE = {
  mode: 'enforce',
  match: { podLabels: { scan: 'required' }, secretPaths: ['demo/shop/**'] },
  vulnerabilities: { deny: ['CRITICAL'], fixAvailableOnly: true },
} as const;

const SHELL_RULE = {
  match: { rules: ['Terminal shell in container'], namespaces: ['shop'] },
  action: 'quarantine',
  scope: 'pod',
} as const;

/** Runs a creation; false if the object exists already. */
async function isCreated(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create();
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'ERR_VERSION_CONFLICT') return false;
    throw error;
  }
}

/** Demonstrates a login, a read and a refusal. @returns one line with the result of each */
export async function demonstrate(client: BrokerClient, token: string): Promise<readonly string[]> {
  const session = await WorkloadSession.logIn(client, { cluster: 'dev', token });
  const read = { path: { path: 'demo/shop/db' } };
  const { status, body } = await session.client.call('readSecret', read);
  const other = { path: { path: 'demo/payments/db' } };
  const refused = await waitForOutcome(session.client.call('readSecret', other));
  await session.end();
  return [
    `a pod of shop/web logged in: ${session.id}`,
    `it read demo/shop/db: ${status}, version ${body.version}, under a lease`,
    `it asked for demo/payments/db: ${refused}`,
  ];
}

/** The status of an answer, with the code if it is a refusal. */
export async function waitForOutcome(call: Promise<{ readonly status: number }>): Promise<string> {
  try {
    return String((await call).status);
  } catch (error) {
    if (error instanceof ApiError) return `${error.status} ${error.code}`;
    throw error;
  }
}
