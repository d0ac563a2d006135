import type { SecretProvider } from '../../../src/ports/secret-provider.ts';
import { createToken, openBaoCall } from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { VaultConnections } from './vault-connections.ts';
import { dynamicPolicy } from './vault-policies.ts';

/** A mount of a dynamic engine with a token role and a broker's token as in docs/providers/vault.md. */
export interface DynamicMount {
  /** Opens a new connection each time. */
  readonly mount: () => Promise<SecretProvider>;
  readonly close: () => Promise<void>;
}

/** `roles`: roles of the engine whose `creds/<role>` the mount may request. */
export async function dynamicMount(
  bao: OpenBao,
  engine: string,
  roles: readonly string[],
): Promise<DynamicMount> {
  const endpoints = roles.map(
    (role) => `path "${engine}/creds/${role}" { capabilities = ["read"] }`,
  );
  const childPolicy = uniqueName('creds');
  const policy = endpoints.join('\n');
  await openBaoCall(bao, 'PUT', `sys/policies/acl/${childPolicy}`, { policy });
  const tokenRole = uniqueName('role');
  await openBaoCall(bao, 'POST', `auth/token/roles/${tokenRole}`, {
    orphan: true,
    renewable: true,
    token_type: 'service',
    token_explicit_max_ttl: '2h',
    allowed_policies: [childPolicy],
    token_no_default_policy: true,
  });
  const brokerToken = await createToken(bao, dynamicPolicy(tokenRole));
  const connections = await VaultConnections.create();
  return {
    async mount() {
      const connection = await connections.connect(bao.address, brokerToken);
      return connection.mount({ engine: 'dynamic', path: engine, root: 'creds', tokenRole });
    },
    async close() {
      await connections.close();
      await openBaoCall(bao, 'PUT', `sys/leases/revoke-force/${engine}/creds`);
      await openBaoCall(bao, 'DELETE', `sys/mounts/${engine}`);
    },
  };
}
