import { z } from 'zod';

const absolutePath = z
  .string()
  .min(2)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

const sinkSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), path: absolutePath }),
  z.strictObject({ type: z.literal('stdout') }),
]);

/** The limit of single entries of one kind in a window. Further ones are counted into one summary entry at the end of the window. */
const counted = (entriesPerWindow: number) =>
  z
    .strictObject({
      entriesPerWindow: z.int().min(1).max(10_000).default(entriesPerWindow),
      windowSeconds: z.int().min(1).max(3600).default(60),
    })
    .prefault({});

/** The audit section of the configuration file. Only this file sets sinks; no API call can (CVE-2025-6000). */
export const auditConfigSchema = z
  .strictObject({
    /** The log's name in its checkpoints, like `quaymaster.example/prod`. It cannot change. */
    origin: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[A-Za-z0-9][A-Za-z0-9./_-]*$/, 'must be like host.example/name'),
    /** Ed25519 private key, PKCS #8 PEM, mode 0600; outside the store and all its backups. */
    logKeyFile: absolutePath,
    /** The file for the last checkpoint, outside the store's directory. */
    checkpointFile: absolutePath,
    sinks: z.array(sinkSchema).max(16).default([]),
    /** Pause between two walks over the whole log. Each walk proves every entry. */
    scrubIntervalHours: z.int().min(1).max(720).default(24),
    /** Refusals before authentication: single entries for each network (an IPv4 address, or the /64 of an IPv6 address). */
    refusals: counted(20),
    /** Refusals and failures of a known caller: single entries for each identity, action, path and reason. */
    denials: counted(5),
  })
  .superRefine(({ sinks }, context) => {
    const names = sinks.map((sink) => (sink.type === 'file' ? sink.path : sink.type));
    if (new Set(names).size < names.length)
      context.addIssue({ code: 'custom', path: ['sinks'], message: 'each sink may be named once' });
  });

type AuditConfig = z.infer<typeof auditConfigSchema>;
export type SinkConfig = AuditConfig['sinks'][number];
