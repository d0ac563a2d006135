import * as z from 'zod';
import { isName } from '../../domain/words/names.ts';

const port = z.int().min(0).max(65_535);
const file = z.string().min(1).max(4096);
const quantity = z
  .string()
  .regex(/^\d+(?:\.\d+)?(?:m|k|Ki|M|Mi|G|Gi)?$/, 'must be a quantity, for example 100m or 64Mi');

/** `managed`: issued and renewed by the injector and entered at the API server. `files`: provided by the operator. */
const certificate = z.union(
  [
    z.strictObject({
      managed: z.strictObject({
        /** Connection of type `kubernetes`: the API server that calls the webhook. */
        connection: z.string().min(1),
        /** Name of the MutatingWebhookConfiguration whose `caBundle` is updated. */
        webhookConfiguration: z.string().min(1).max(253),
        /** Name of the ValidatingWebhookConfiguration for custom resources, if there is one; updated alike. */
        validatingWebhookConfiguration: z.string().min(1).max(253).optional(),
        /** DNS names by which the API server calls the webhook: `<service>.<namespace>.svc`. */
        dnsNames: z.array(z.string().min(1).max(253)).min(1).max(10),
      }),
    }),
    z.strictObject({
      files: z.strictObject({ certificateFile: file, keyFile: file }),
    }),
  ],
  'must have either "managed" or "files"',
);

/** Schema of the mutating admission webhook, which has its own listener. */
export const injectorConfigSchema = z.strictObject({
  listener: z.strictObject({
    host: z.string().min(1).default('0.0.0.0'),
    port: port.default(8443),
    /**
     * PEM file of the authority of callers. Recommended: only callers with its certificate are answered. API servers have none
     * unless configured.
     */
    clientCaFile: file.optional(),
  }),
  certificate,
  /** Image of the injected containers: the broker's. */
  image: z.string().min(1).max(1024),
  /** The broker's address for injected agents, and the audience of their tokens. */
  broker: z.strictObject({
    url: z.url({ protocol: /^https$/ }),
    /** PEM file whose text goes into each pod. Absent: the public roots. */
    caFile: file.optional(),
    /** The registered cluster of these pods. */
    cluster: z.string().refine(isName, 'must be the name of a registered cluster'),
    audience: z.string().min(1).max(253).default('quaymaster'),
  }),
  /** Native sidecars (Kubernetes 1.29): `auto` asks the API server if the certificate is managed, and otherwise assumes that they exist. */
  nativeSidecars: z.enum(['auto', 'always', 'never']).default('auto'),
  /** Resources of each injected container. */
  resources: z
    .strictObject({
      cpuRequest: quantity.default('10m'),
      memoryRequest: quantity.default('64Mi'),
      cpuLimit: quantity.optional(),
      memoryLimit: quantity.default('256Mi'),
    })
    .prefault({}),
});

export type InjectorConfig = z.infer<typeof injectorConfigSchema>;
