import { z } from 'zod';

const absolutePath = z
  .string()
  .min(2)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

const sinkSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), path: absolutePath }),
  z.strictObject({ type: z.literal('stdout') }),
]);

/** So many entries of one kind in a window; the others are counted into one summary entry at its end. */
const counted = (entriesPerWindow: number) =>
  z
    .strictObject({
      entriesPerWindow: z.int().min(1).max(10_000).default(entriesPerWindow),
      windowSeconds: z.int().min(1).max(3600).default(60),
    })
    .prefault({});

/** The audit log's part of the configuration file. Sinks come from here only: no API call can set one (CVE-2025-6000). */
export const auditConfigSchema = z
  .strictObject({
    /** The log's name in its checkpoints, like `quaymaster.example/prod`; it can never change. */
    origin: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[A-Za-z0-9][A-Za-z0-9./_-]*$/, 'must be like host.example/name'),
    /** Ed25519 private key, PKCS #8 PEM, mode 0600; outside the store and every backup of it. */
    logKeyFile: absolutePath,
    /** Where the last checkpoint is kept; not in the store's directory. */
    checkpointFile: absolutePath,
    sinks: z.array(sinkSchema).max(16).default([]),
    /** From the end of one walk over the whole log, which proves every entry, to the start of the next. */
    scrubIntervalHours: z.int().min(1).max(720).default(24),
    /** Refusals before authentication: entries of their own for each network (an IPv4 address, or the /64 of an IPv6 address). */
    refusals: counted(20),
    /** Refusals and failures of a caller that is known: entries of their own for each identity, action, path and reason. */
    denials: counted(5),
  })
  .superRefine(({ sinks }, context) => {
    const names = sinks.map((sink) => (sink.type === 'file' ? sink.path : sink.type));
    if (new Set(names).size < names.length)
      context.addIssue({ code: 'custom', path: ['sinks'], message: 'each sink may be named once' });
  });

type AuditConfig = z.infer<typeof auditConfigSchema>;
export type SinkConfig = AuditConfig['sinks'][number];
