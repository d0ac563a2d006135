import { kubeCall } from '../backends/kube-calls.ts';
import { apply, deleteObject } from '../backends/kube-apply.ts';
import { createServiceAccount } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';
import type { OpenBao } from '../backends/openbao.ts';
import { openBaoCall } from '../backends/openbao-calls.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { kvV2Policy } from './vault-policies.ts';

type Fields = Readonly<Record<string, unknown>>;

const NAMESPACE = 'default';
const AUDIENCE = 'openbao';
/** Lets a token look itself up, with or without the policy `default`. */
const LOOK = 'path "auth/token/lookup-self" { capabilities = ["read"] }';

/** One login method, at its own mount; its role accepts one credential. */
export interface VaultLogin {
  readonly mount: string;
  /** The accepted credential. */
  readonly right: string;
  /** Refused credentials, by their fault. */
  readonly wrong: Readonly<Record<string, string>>;
  /** `auth` of a connection that presents the credential in `file`, for the right role or another. */
  readonly auth: (file: string, role?: string) => Fields;
  /** Writes the role again, with these fields over the default ones. */
  readonly setRole: (fields: Fields) => Promise<void>;
}

/** AppRole, and the two methods that take service-account tokens, at one server; all may read `secret/<folder>/db`. */
export interface VaultLogins {
  readonly approle: VaultLogin;
  readonly kubernetes: VaultLogin;
  readonly jwt: VaultLogin;
  readonly folder: string;
  /** The API server that reviews tokens for the kubernetes method. */
  setApiServer(address: string): Promise<void>;
  close(): Promise<void>;
}

interface Accounts {
  readonly broker: string;
  readonly tokens: Readonly<Record<'right' | 'stranger' | 'elsewhere' | 'reviewer', string>>;
  close(): Promise<void>;
}

/** The broker's account, another account, and the account with which the server reviews their tokens. */
async function accounts(kube: Kube): Promise<Accounts> {
  const [broker, stranger, reviewer] = ['broker', 'stranger', 'reviewer'].map(uniqueName) as [
    string,
    string,
    string,
  ];
  const all = [broker, stranger, reviewer];
  for (const name of all) await createServiceAccount(kube, NAMESPACE, name);
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: reviewer },
  };
  const role = { kind: 'ClusterRole', name: 'system:auth-delegator' };
  await apply(kube, {
    ...binding,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', ...role },
    subjects: [{ kind: 'ServiceAccount', namespace: NAMESPACE, name: reviewer }],
  });
  const token = (serviceAccount: string, audience: string): Promise<string> =>
    boundToken(kube, { namespace: NAMESPACE, serviceAccount, audience });
  return {
    broker,
    tokens: {
      right: await token(broker, AUDIENCE),
      stranger: await token(stranger, AUDIENCE),
      elsewhere: await token(broker, 'elsewhere'),
      reviewer: await token(reviewer, kube.issuer),
    },
    close: async () => {
      await deleteObject(kube, binding);
      const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
      for (const name of all) await kubeCall(kube, 'DELETE', `${path}/${name}`);
    },
  };
}

async function mountLogin(bao: OpenBao, type: string): Promise<string> {
  const mount = uniqueName(type);
  await openBaoCall(bao, 'POST', `sys/auth/${mount}`, { type });
  return mount;
}

async function appRole(bao: OpenBao, role: Fields): Promise<VaultLogin> {
  const mount = await mountLogin(bao, 'approle');
  const path = `auth/${mount}/role/broker`;
  const setRole = async (fields: Fields): Promise<void> => {
    await openBaoCall(bao, 'POST', path, { ...role, ...fields });
  };
  await setRole({});
  type Answer = { readonly data: Readonly<Record<string, string>> };
  const named = (await openBaoCall(bao, 'GET', `${path}/role-id`)) as Answer;
  const made = (await openBaoCall(bao, 'POST', `${path}/secret-id`)) as Answer;
  const roleId = named.data['role_id']!;
  return {
    mount,
    right: made.data['secret_id']!,
    wrong: { 'never issued': '00000000-0000-4000-8000-000000000000' },
    auth: (secretIdFile, id = roleId) => ({ method: 'approle', mount, roleId: id, secretIdFile }),
    setRole,
  };
}

async function byToken(
  bao: OpenBao,
  method: 'kubernetes' | 'jwt',
  role: Fields,
  { tokens }: Accounts,
): Promise<VaultLogin> {
  const mount = await mountLogin(bao, method);
  const { right, stranger, elsewhere } = tokens;
  const signature = right.lastIndexOf('.') + 1;
  const forged = right.slice(0, signature) + stranger.slice(stranger.lastIndexOf('.') + 1);
  return {
    mount,
    right,
    wrong: {
      'of another account': stranger,
      'for another audience': elsewhere,
      'with the signature of another': forged,
      'no token at all': 'not-a-token',
    },
    auth: (tokenFile, name = 'broker') => ({ method, mount, role: name, tokenFile }),
    setRole: async (fields) => {
      await openBaoCall(bao, 'POST', `auth/${mount}/role/broker`, { ...role, ...fields });
    },
  };
}

/** Sets up all methods; `close` removes them and the tokens they issued. */
export async function vaultLogins(bao: OpenBao, kube: Kube): Promise<VaultLogins> {
  const of = await accounts(kube);
  const folder = uniqueName('login');
  await openBaoCall(bao, 'PUT', `sys/policies/acl/${folder}`, {
    policy: kvV2Policy('secret', folder) + LOOK,
  });
  await openBaoCall(bao, 'POST', `secret/data/${folder}/db`, { data: { password: 'p' } });
  const usual = { token_policies: [folder], token_ttl: '10m', token_max_ttl: '1h' };
  const approle = await appRole(bao, usual);
  const bound = {
    ...usual,
    bound_service_account_names: [of.broker],
    bound_service_account_namespaces: [NAMESPACE],
    audience: AUDIENCE,
  };
  const kubernetes = await byToken(bao, 'kubernetes', bound, of);
  const subject = `system:serviceaccount:${NAMESPACE}:${of.broker}`;
  const claims = { role_type: 'jwt', user_claim: 'sub', bound_audiences: [AUDIENCE] };
  const jwt = await byToken(bao, 'jwt', { ...usual, ...claims, bound_subject: subject }, of);
  const setApiServer = async (address: string): Promise<void> => {
    await openBaoCall(bao, 'POST', `auth/${kubernetes.mount}/config`, {
      kubernetes_host: address,
      kubernetes_ca_cert: kube.caPem,
      token_reviewer_jwt: of.tokens.reviewer,
    });
  };
  await setApiServer(kube.server);
  await openBaoCall(bao, 'POST', `auth/${jwt.mount}/config`, {
    jwt_validation_pubkeys: [kube.saPublicKeyPem],
    bound_issuer: kube.issuer,
  });
  for (const login of [kubernetes, jwt]) await login.setRole({});
  return {
    approle,
    kubernetes,
    jwt,
    folder,
    setApiServer,
    close: async () => {
      for (const { mount } of [approle, kubernetes, jwt]) {
        await openBaoCall(bao, 'DELETE', `sys/auth/${mount}`);
      }
      await openBaoCall(bao, 'DELETE', `sys/policies/acl/${folder}`);
      await openBaoCall(bao, 'DELETE', `secret/metadata/${folder}/db`);
      await of.close();
    },
  };
}
