import * as z from 'zod';
import { guardLimitsSchema } from '../guard/config.ts';

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const KEY = /^(?!\.\.?$)[-._a-zA-Z0-9]{1,253}$/;

/** RFC 1123, as the API server checks it: no text that could change which resource a URL names (CVE-2022-3162). */
export function isSubdomain(text: string): boolean {
  return SUBDOMAIN.test(text);
}

/** A key of a Secret's data. */
export function isDataKey(text: string): boolean {
  return KEY.test(text);
}

const namespaceName = z.string().regex(LABEL, 'a namespace: lower case, at most 63 characters');
const objectName = z
  .string()
  .regex(SUBDOMAIN, 'an object name: lower case, at most 253 characters');
const dataKey = z.string().regex(KEY, 'a key of a Secret: [-._a-zA-Z0-9]');

const file = z.string().min(1).max(4096);

const httpsAddress = z
  .url({ protocol: /^https$/, error: 'must be a URL that begins with https://' })
  .refine((text) => isBareAddress(text), 'an https address without user, query or fragment');

function isBareAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
}

/** The fields for one API server. A schema with more fields spreads them and adds `checkKubernetesAccess`. */
const kubernetesAccessFields = {
  type: z.literal('kubernetes'),
  /** Address of the API server. `caFile` (default: Node's root certificates) and `tokenFile` belong to it. */
  server: httpsAddress.optional(),
  caFile: file.optional(),
  /** File of the token, read again when it changes. */
  tokenFile: file.optional(),
  kubeconfigFile: file.optional(),
  /** Name of a context in the kubeconfig file; absent: the file's current one. */
  context: z.string().min(1).max(256).optional(),
  /** The service account that Kubernetes mounts into the broker's own pod. */
  inCluster: z.literal(true).optional(),
} as const;

const accessSchema = z.strictObject(kubernetesAccessFields);
export type KubernetesAccess = z.infer<typeof accessSchema>;

interface Report {
  addIssue(issue: { code: 'custom'; path: string[]; message: string }): void;
}

/** Requires exactly one of `server`, `kubeconfigFile`, `inCluster`, and only the fields that belong to it. */
function checkKubernetesAccess(access: KubernetesAccess, report: Report): void {
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

/** A connection of type `kubernetes`, with the fields for logins and the pod watch. */
export const kubernetesConnectionSchema = accessSchema.superRefine(checkKubernetesAccess);

/** A connection of the configuration file; it also serves logins and the pod watch. */
export const kubernetesProviderConnectionSchema = z
  .strictObject({
    ...kubernetesAccessFields,
    limits: guardLimitsSchema.prefault({}),
    /** Locators that mounts may reach, for example `payments/*`. Absent: none, the connection serves only logins. */
    locators: z.array(z.string().min(1).max(1024)).default([]),
  })
  .superRefine(checkKubernetesAccess);
export type KubernetesProviderConfig = z.infer<typeof kubernetesProviderConnectionSchema>;

/** A mount document's options: one namespace per mount. */
export const kubernetesMountOptions = z.strictObject({ namespace: namespaceName });

/** The minimum of Kubernetes and the default maximum of the API server. */
export const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 86_400;

export const secretRef = z.strictObject({ name: objectName, key: dataKey.optional() });

/** A dynamic credential: a token of this account for these audiences, the same for every caller. */
export const tokenRef = z.strictObject({
  /** The mount's own namespace; naming it here is optional. */
  namespace: namespaceName.optional(),
  serviceAccount: objectName,
  audiences: z.array(z.string().min(1).max(256)).min(1).max(5),
  /** Longest lifetime of a token, whatever lease is requested. */
  expirationSeconds: z.int().min(MIN_TOKEN_SECONDS).max(MAX_TOKEN_SECONDS).default(3600),
});
