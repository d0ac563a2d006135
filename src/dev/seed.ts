import { ApiClient } from './api-client.ts';
import { DevIssuer, type DevPod } from './issuer.ts';

export const DEMO_POD: DevPod = { namespace: 'shop', serviceAccount: 'web', name: 'web-0' };

/** A mount, two secrets, a policy that allows one prefix, and the cluster whose tokens log in. Safe to run again. */
export async function seed(operator: ApiClient): Promise<readonly string[]> {
  await operator.put('/clusters/dev', {
    connection: 'dev-issuer',
    issuer: DevIssuer.issuer,
    audiences: [DevIssuer.audience],
    podWatch: false,
  });
  await operator.put('/mounts/demo', { prefix: 'demo', connection: 'embedded' });
  for (const [path, data] of Object.entries(SECRETS)) await writeOnce(operator, path, data);
  await operator.put('/policies/demo-web', POLICY);
  await operator.put('/definitions/demo/shop/db', { rotation: ROTATION });
  return [
    'registered the cluster "dev", whose tokens this process signs',
    'mounted the embedded, envelope-encrypted store at demo/',
    `wrote ${Object.keys(SECRETS).join(', ')}`,
    'saved the policy "demo-web": service account shop/web may read and list demo/shop/**, and nothing else',
    'defined demo/shop/db to rotate every 30 days',
  ];
}

const ROTATION = {
  strategy: 'generated',
  options: { keys: { password: { length: 24 } } },
  schedule: { every: '30d' },
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

/** A second start leaves the versions of the first as they are. */
async function writeOnce(operator: ApiClient, path: string, data: object): Promise<void> {
  const { status, json } = await operator.call(
    'PUT',
    `/secrets/${path}`,
    { data },
    { 'if-none-match': '*' },
  );
  if (status === 200 || status === 201 || status === 412) return;
  throw new Error(`PUT /secrets/${path} answered ${status}: ${JSON.stringify(json)}`);
}

/** What the demonstration shows: a login, a read, a refusal. @returns one line each, with what came back. */
export async function demonstrate(url: string, token: string): Promise<readonly string[]> {
  const login = await new ApiClient(url).call('POST', '/sessions', { cluster: 'dev', token });
  const session = new ApiClient(url, String(login.json['token']));
  const read = await session.call('GET', '/secrets/demo/shop/db');
  const refused = await session.call('GET', '/secrets/demo/payments/db');
  await session.call('DELETE', '/sessions/self');
  return [
    `a pod of shop/web logged in: ${login.status}`,
    `it read demo/shop/db: ${read.status}, version ${String(read.json['version'])}, under a lease`,
    `it asked for demo/payments/db: ${refused.status} ${String(refused.json['code'])}`,
  ];
}
