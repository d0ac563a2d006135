import { z } from 'zod';
import { isName } from '../../domain/names.ts';

const port = z.int().min(0).max(65_535);
const file = z.string().min(1).max(4096);
const quantity = z.string().regex(/^\d+(?:\.\d+)?(?:m|k|Ki|M|Mi|G|Gi)?$/, 'is not a quantity');

/** Made and renewed here, and told to the API server, or kept by somebody else in files. */
const certificate = z.union(
  [
    z.strictObject({
      managed: z.strictObject({
        /** A connection of type `kubernetes`: the API server that calls us. */
        connection: z.string().min(1),
        /** Name of the MutatingWebhookConfiguration whose `caBundle` is kept. */
        webhookConfiguration: z.string().min(1).max(253),
        /** Names that the API server calls us by: `<service>.<namespace>.svc`. */
        dnsNames: z.array(z.string().min(1).max(253)).min(1).max(10),
      }),
    }),
    z.strictObject({
      files: z.strictObject({ certificateFile: file, keyFile: file }),
    }),
  ],
  'is either "managed" or "files"',
);

/** The mutating admission webhook, on a listener of its own. */
export const injectorConfigSchema = z.strictObject({
  listener: z.strictObject({
    host: z.string().min(1).default('0.0.0.0'),
    port: port.default(8443),
    /** PEM. Recommended: only a caller with a certificate of this authority is answered. API servers have none unless configured. */
    clientCaFile: file.optional(),
  }),
  certificate,
  /** Image of the containers that are injected: that of the broker. */
  image: z.string().min(1).max(1024),
  /** Where injected agents find the broker, and what their tokens are made for. */
  broker: z.strictObject({
    url: z.url({ protocol: /^https$/ }),
    /** PEM; its text goes into each pod. Absent: the public roots. */
    caFile: file.optional(),
    /** The registered cluster that these pods are of. */
    cluster: z.string().refine(isName, 'is not the name of a cluster'),
    audience: z.string().min(1).max(253).default('quaymaster'),
  }),
  /** Native sidecars (Kubernetes 1.29): `auto` asks the API server where the certificate is managed, and else takes them for granted. */
  nativeSidecars: z.enum(['auto', 'always', 'never']).default('auto'),
  /** Of each injected container. */
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
