import * as z from 'zod';
import type { CallContext } from '../../../ports/call-context.ts';
import type { CheckReport } from '../../../ports/secret-provider.ts';
import type { VaultClient } from '../client/client.ts';
import type { VaultMountOptions } from '../config.ts';
import { Findings, isCode } from './findings.ts';

type DynamicOptions = Extract<VaultMountOptions, { engine: 'dynamic' }>;

const roleSchema = z.object({
  data: z.object({
    orphan: z.boolean(),
    renewable: z.boolean(),
    token_type: z.string().optional(),
    token_explicit_max_ttl: z.int().optional(),
    explicit_max_ttl: z.int().optional(),
    allowed_policies: z.array(z.string()).nullish(),
    allowed_policies_glob: z.array(z.string()).nullish(),
  }),
});

type TokenRole = z.infer<typeof roleSchema>['data'];

/**
 * Checks that the token role creates suitable tokens for credentials, and that the broker may create, extend and revoke
 * them.
 */
export async function checkDynamicMount(
  client: VaultClient,
  options: DynamicOptions,
  context: CallContext,
): Promise<CheckReport> {
  const findings = new Findings();
  await checkRole(client, options.tokenRole, context, findings);
  await checkCapabilities(client, options.tokenRole, context, findings);
  return findings.report();
}

async function checkRole(
  client: VaultClient,
  role: string,
  context: CallContext,
  findings: Findings,
): Promise<void> {
  const path = `auth/token/roles/${role}`;
  try {
    const answer = roleSchema.safeParse(await client.read({ method: 'GET', path }, context));
    if (!answer.success) {
      findings.problem(`GET ${path}: the answer cannot be read`);
      return;
    }
    const problems = roleProblems(answer.data.data);
    for (const problem of problems) findings.problem(`token role ${role}: ${problem}`);
    if (problems.length === 0) findings.note(`token role ${role}: orphan tokens that end`);
  } catch (error) {
    const remedy = isCode(error, 'ERR_NOT_FOUND')
      ? 'create the token role'
      : `grant the broker \`read\` on ${path}`;
    findings.failure(`GET ${path}`, error, remedy);
  }
}

function roleProblems(role: TokenRole): string[] {
  const policies = [...(role.allowed_policies ?? []), ...(role.allowed_policies_glob ?? [])];
  const longest = role.token_explicit_max_ttl ?? role.explicit_max_ttl ?? 0;
  const rules: readonly [boolean, string][] = [
    [role.orphan, 'its tokens end with the broker’s; set orphan=true'],
    [role.renewable, 'its tokens cannot be extended; set renewable=true'],
    [
      role.token_type?.includes('batch') !== true,
      'batch tokens have no accessor; set token_type=service',
    ],
    [longest > 0, 'its tokens can live for ever; set token_explicit_max_ttl'],
    [policies.length > 0, 'its tokens have the broker’s own policies; set allowed_policies'],
  ];
  return rules.filter(([holds]) => !holds).map(([, problem]) => problem);
}

async function checkCapabilities(
  client: VaultClient,
  role: string,
  context: CallContext,
  findings: Findings,
): Promise<void> {
  const paths = [
    `auth/token/create/${role}`,
    'auth/token/renew-accessor',
    'auth/token/revoke-accessor',
    'sys/leases/renew',
    'sys/leases/revoke',
  ];
  const wished = 'auth/token/lookup-accessor';
  const request = {
    method: 'POST',
    path: 'sys/capabilities-self',
    body: { paths: [...paths, wished] },
  } as const;
  try {
    const answer = z
      .object({ data: z.record(z.string(), z.array(z.string())) })
      .safeParse(await client.read(request, context));
    if (!answer.success) {
      findings.problem('POST sys/capabilities-self: the answer cannot be read');
      return;
    }
    const held = answer.data.data;
    const lacking = paths.filter((path) => !mayUpdate(held[path] ?? []));
    for (const path of lacking)
      findings.problem(`${path}: not allowed; grant the broker \`update\` on it`);
    if (!mayUpdate(held[wished] ?? []))
      findings.note(
        `${wished}: not allowed; with \`update\` on it the broker checks whose token it revokes`,
      );
    if (lacking.length === 0) findings.note('tokens and leases: may be made, extended and revoked');
  } catch (error) {
    const remedy =
      'grant the broker `update` on it (policy `default` does), or nothing can be said';
    findings.failure('POST sys/capabilities-self', error, remedy);
  }
}

function mayUpdate(capabilities: readonly string[]): boolean {
  return capabilities.includes('update') || capabilities.includes('root');
}
