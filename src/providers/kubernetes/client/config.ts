import { z } from 'zod';

const file = z.string().min(1).max(4096);

const httpsAddress = z
  .url({ protocol: /^https$/ })
  .refine((text) => isBareAddress(text), 'an https address without user, query or fragment');

function isBareAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
}

/** The fields that say how to reach one API server; a schema with more fields spreads them and adds `checkKubernetesAccess`. */
export const kubernetesAccessFields = {
  type: z.literal('kubernetes'),
  /** Where the API server is; `caFile` (else the roots of Node) and `tokenFile` belong to it. */
  server: httpsAddress.optional(),
  caFile: file.optional(),
  /** Read again whenever it changes. */
  tokenFile: file.optional(),
  kubeconfigFile: file.optional(),
  /** A context of the kubeconfig file; absent: its current one. */
  context: z.string().min(1).max(256).optional(),
  /** The service account that Kubernetes mounts into our own pod. */
  inCluster: z.literal(true).optional(),
} as const;

const accessSchema = z.strictObject(kubernetesAccessFields);
export type KubernetesAccess = z.infer<typeof accessSchema>;

interface Report {
  addIssue(issue: { code: 'custom'; path: string[]; message: string }): void;
}

/** Exactly one of `server`, `kubeconfigFile`, `inCluster`, and only the fields that belong to it. */
export function checkKubernetesAccess(access: KubernetesAccess, report: Report): void {
  const refuse = (field: string, message: string): void =>
    report.addIssue({ code: 'custom', path: [field], message });
  const ways = [access.server, access.kubeconfigFile, access.inCluster];
  if (ways.filter((way) => way !== undefined).length !== 1) {
    refuse('server', 'exactly one of server, kubeconfigFile and inCluster is needed');
  }
  if (access.server !== undefined && access.tokenFile === undefined) {
    refuse('tokenFile', 'needed with server');
  }
  for (const field of ['caFile', 'tokenFile'] as const) {
    if (access.server === undefined && access[field] !== undefined) {
      refuse(field, 'only with server');
    }
  }
  if (access.kubeconfigFile === undefined && access.context !== undefined) {
    refuse('context', 'only with kubeconfigFile');
  }
}

/** A connection of type `kubernetes` as far as logins and the pod watch need it. */
export const kubernetesConnectionSchema = accessSchema.superRefine(checkKubernetesAccess);
