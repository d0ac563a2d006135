import * as z from 'zod';
import { ALERT_FORMATS } from '../../domain/alerts/alert.ts';
import { isName } from '../../domain/words/names.ts';

/** The broker raises alerts of its own under these names. */
const RESERVED: readonly string[] = ['decoy', 'operator', 'pod-label', 'posture'];

const name = z.string().refine(isName, 'is not a lower-case name');
const secretFile = z.string().min(1).max(4_096);

const authenticate = z.union([
  z.strictObject({
    /** One secret of at least 16 characters in each line, so that two hold during a change. Read again when the file changes. */
    bearer: z.strictObject({ secretFile }),
  }),
  z.strictObject({
    /** One key of at least 32 bytes in each line, for the signature of internals/spec/alert-v1.md. */
    hmac: z.strictObject({ secretFile }),
  }),
  z.strictObject({
    /** DNS names or URIs, of which the client certificate must have one. `listener.tls.clientCaFile` must contain its authority. */
    certificate: z.strictObject({
      names: z.array(z.string().min(1).max(512)).min(1).max(16),
    }),
  }),
]);

const source = z
  .strictObject({
    format: z.enum(ALERT_FORMATS),
    /** The registered cluster of alerts that name no cluster, or this one. */
    cluster: name.optional(),
    /** Registered clusters, by the name that the source gives each in its alerts. */
    clusters: z
      .record(z.string().min(1).max(256), name)
      .refine((clusters) => Object.keys(clusters).length <= 256, 'may be 256 at most')
      .optional(),
    authenticate,
    maxResponses: z.int().min(1).max(500).default(10),
    maxWorkloadPercent: z.int().min(1).max(100).default(20),
  })
  .refine(({ cluster, clusters }) => cluster !== undefined || clusters !== undefined, {
    path: ['cluster'],
    message: 'is required unless "clusters" is given',
  });

/** Sources of runtime alerts, by the name that response rules use. */
export const alertsConfigSchema = z
  .strictObject({
    sources: z
      .record(
        name.refine((own) => !RESERVED.includes(own), 'is a name of the broker itself'),
        source,
      )
      .refine((sources) => Object.keys(sources).length <= 64, 'may be 64 at most')
      .default({}),
    /** Workloads whose alerts are only recorded, such as `k8s://prod/kube-system/*`. */
    protectedSubjects: z.array(z.string().min(1).max(512)).max(256).default([]),
    /** A label that puts its pod into quarantine, such as `quaymaster.io/quarantine`; its value is the reason. Everyone who may label pods can use it. */
    podLabel: z
      .string()
      .max(317)
      .regex(
        /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
        'must be the key of a label',
      )
      .optional(),
    /** Rotations that responses to the alerts of one source may start in an hour; more wait. */
    maxRotations: z.int().min(1).max(1_000).default(50),
  })
  .prefault({});

export type AlertsConfig = z.output<typeof alertsConfigSchema>;
export type AlertSourceConfig = z.output<typeof source>;
