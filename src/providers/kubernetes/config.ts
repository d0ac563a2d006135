import { z } from 'zod';
import { guardLimitsSchema } from '../guard/config.ts';
import { checkKubernetesAccess, kubernetesAccessFields } from './client/index.ts';
import { dataKey, namespaceName, objectName } from './names.ts';

/** A connection of the configuration file; the same serves logins and the pod watch. */
export const kubernetesProviderConnectionSchema = z
  .strictObject({
    ...kubernetesAccessFields,
    limits: guardLimitsSchema.prefault({}),
    /** What mounts may reach through it, for example `payments/*`; absent: nothing, the connection serves logins only. */
    locators: z.array(z.string().min(1).max(1024)).default([]),
  })
  .superRefine(checkKubernetesAccess);
export type KubernetesProviderConfig = z.infer<typeof kubernetesProviderConnectionSchema>;

/** A mount document's options: one namespace a mount. */
export const kubernetesMountOptions = z.strictObject({ namespace: namespaceName });

/** Kubernetes' own floor and the API server's default ceiling. */
export const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 86_400;

export const secretRef = z.strictObject({ name: objectName, key: dataKey.optional() });

/** What a dynamic credential is: a token of this account for these audiences, whoever asks. */
export const tokenRef = z.strictObject({
  /** The mount's own; said again only to be clear. */
  namespace: namespaceName.optional(),
  serviceAccount: objectName,
  audiences: z.array(z.string().min(1).max(256)).min(1).max(5),
  /** Longest life of a token, whatever lease is asked for. */
  expirationSeconds: z.int().min(MIN_TOKEN_SECONDS).max(MAX_TOKEN_SECONDS).default(3600),
});
