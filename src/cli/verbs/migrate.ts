import { basename } from 'node:path';
import * as z from 'zod';
import { isPathSegment, isSecretPath } from '../../domain/words/names.ts';
import { readDocuments, type LocatedDocument } from '../documents/read-files.ts';
import {
  translateRole,
  type Difference,
  type VaultMount,
  type VaultRole,
  type VaultRule,
} from '../import/vault-policy.ts';
import { table } from '../output/table.ts';
import { printableYaml } from '../output/printable.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';

interface MigrateOptions {
  readonly cluster: string;
  readonly mounts: string;
}

/** Makes an AccessPolicy of each Kubernetes auth role, and reports what it could not express. */
export async function runMigrateVaultPolicy(
  context: CliContext,
  { args, options }: Call<MigrateOptions>,
): Promise<ExitCode> {
  const hcl = args.find((file) => file.endsWith('.hcl'));
  if (hcl !== undefined) {
    throw new UsageError(
      `${hcl}: policies are read as JSON; convert it first: hcl2json ${hcl} > ${hcl.replace(/hcl$/, 'json')}`,
    );
  }
  const mounts = readMounts(await readDocuments(context, [options.mounts]), options.mounts);
  const { roles, policies } = readFiles(await readDocuments(context, args));
  const { cluster } = options;
  const made = roles.map((role) => translateRole(role, policies, { mounts, cluster }));
  const documents = made.flatMap(({ document }) => document ?? []);
  const differences = made.flatMap((each) => each.differences);
  const texts = await Promise.all(documents.map(printableYaml));
  await context.output.show({ items: documents, differences }, () => texts.join('---\n'));
  context.output.note(reportText(roles.length, documents.length, differences));
  return EXIT.done;
}

const ENGINE = z.enum(['kv-v2', 'kv-v1', 'database']);
const mountsFile = z.record(
  z.string().refine((name) => name.split('/').every(isPathSegment), 'is not the path of a mount'),
  z.strictObject({
    engine: ENGINE,
    prefix: z.string().refine(isSecretPath, 'is not the path of a secret').optional(),
  }),
);

/** Reads the file of `--mounts`, which has the members of `vaultApi.mounts`. @throws UsageError */
function readMounts(documents: readonly LocatedDocument[], file: string): readonly VaultMount[] {
  const [document, ...more] = documents;
  const read = mountsFile.safeParse(document?.value);
  if (!read.success || more.length > 0) {
    throw new UsageError(
      `${file} is not a file of mounts; expected the content of vaultApi.mounts, such as {secret: {engine: kv-v2, prefix: payments}}`,
    );
  }
  return Object.entries(read.data).map(([name, { engine, prefix = '' }]) => {
    return { name, engine, prefix };
  });
}

const texts = z.union([z.array(z.string()), z.string().transform((text) => text.split(','))]);
const role = z.looseObject({
  bound_service_account_names: texts,
  bound_service_account_namespaces: texts.optional(),
  bound_service_account_namespace_selector: z.string().optional(),
  token_policies: texts.nullish(),
  policies: texts.nullish(),
  token_bound_cidrs: texts.nullish(),
});
const roleFile = z.union([z.object({ data: role }).transform(({ data }) => data), role]);
const pathRule = z.looseObject({
  capabilities: z.array(z.string()).optional(),
  policy: z.enum(['read', 'write', 'deny']).optional(),
});
/** `hcl2json` writes each block as a list. */
const policyFile = z.object({
  path: z.record(z.string(), z.union([pathRule.transform((rule) => [rule]), z.array(pathRule)])),
});

interface Files {
  readonly roles: readonly VaultRole[];
  readonly policies: ReadonlyMap<string, readonly VaultRule[]>;
}

/** Reads policies and roles. Both are named by their file. @throws UsageError */
function readFiles(documents: readonly LocatedDocument[]): Files {
  const roles: VaultRole[] = [];
  const policies = new Map<string, readonly VaultRule[]>();
  for (const { file, value } of documents) {
    const name = basename(file).replace(/\.(?:json|ya?ml)$/, '');
    const asRole = roleFile.safeParse(value);
    const asPolicy = policyFile.safeParse(value);
    if (asRole.success) roles.push(roleOf(name, asRole.data));
    else if (asPolicy.success) policies.set(name, rulesOf(name, asPolicy.data));
    else {
      throw new UsageError(
        `${file} is neither a policy in JSON nor a Kubernetes auth role (bao read -format=json auth/kubernetes/role/NAME)`,
      );
    }
  }
  if (roles.length === 0) throw new UsageError('no file has a Kubernetes auth role');
  return { roles, policies };
}

function roleOf(name: string, read: z.infer<typeof role>): VaultRole {
  const {
    token_policies: own,
    policies,
    bound_service_account_namespace_selector: selector,
  } = read;
  return {
    name,
    serviceAccounts: read.bound_service_account_names,
    namespaces: (read.bound_service_account_namespaces ?? []).filter((each) => each !== ''),
    policies: [...new Set([...(own ?? []), ...(policies ?? [])])],
    sourceCidrs: read.token_bound_cidrs ?? [],
    hasSelector: selector !== undefined && selector !== '',
  };
}

/** Short forms of earlier releases of Vault. */
const SHORT: Readonly<Record<string, readonly string[]>> = {
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  deny: ['deny'],
};
const WITHOUT_EFFECT = ['capabilities', 'policy', 'comment'];

function rulesOf(policy: string, { path }: z.infer<typeof policyFile>): readonly VaultRule[] {
  return Object.entries(path).flatMap(([name, rules]) =>
    rules.map((rule) => ({
      policy,
      path: name.replace(/^\//, ''),
      capabilities: [...(rule.capabilities ?? []), ...(SHORT[rule.policy ?? ''] ?? [])],
      restrictions: Object.keys(rule).filter((key) => !WITHOUT_EFFECT.includes(key)),
    })),
  );
}

function reportText(roles: number, documents: number, differences: readonly Difference[]): string {
  const summary = `${roles} roles, ${documents} policies, ${differences.length} differences`;
  if (differences.length === 0) return summary;
  const rows = differences.map(({ role: of, policy, path, kind, reason }) => [
    of,
    policy,
    path,
    kind,
    reason,
  ]);
  return `${table(['role', 'policy', 'path', 'difference', 'reason'], rows)}\n\n${summary}`;
}
