/** The broker's policy for one KV v2 root, as in docs/providers/vault.md. */
export function kvV2Policy(engine: string, root: string): string {
  return `
path "${engine}/data/${root}/*" { capabilities = ["read"] }
path "${engine}/metadata/${root}/*" { capabilities = ["list"] }
`;
}

/** Builds the same policy for KV v1. */
export function kvV1Policy(engine: string, root: string): string {
  return `path "${engine}/${root}/*" { capabilities = ["read", "list"] }`;
}

/** The broker's policy to create, extend and revoke dynamic credentials through one token role. */
export function dynamicPolicy(tokenRole: string): string {
  return `
path "auth/token/roles/${tokenRole}" { capabilities = ["read"] }
path "auth/token/create/${tokenRole}" { capabilities = ["update"] }
path "auth/token/renew-accessor" { capabilities = ["update"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
`;
}

/** The broker's policy to wrap its root keys under one transit key; without `create`, so that using a missing key does not create it. */
export function transitPolicy(mount: string, key: string): string {
  return `
path "${mount}/keys/${key}" { capabilities = ["read"] }
path "${mount}/encrypt/${key}" { capabilities = ["update"] }
path "${mount}/decrypt/${key}" { capabilities = ["update"] }
`;
}
