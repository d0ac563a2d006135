import * as z from 'zod';
import { parseWitnessKey } from '../../crypto/log/cosignature.ts';
import { LOG_FORMATS } from '../../domain/audit/formats/format-names.ts';
import { isName } from '../../domain/words/names.ts';

const absolutePath = z
  .string()
  .min(2)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** An address without credentials; http only to loopback. */
export const address = z.url({ protocol: /^https?$/ }).refine((text) => {
  const url = URL.parse(text);
  if (url === null) return false;
  const isPrivate = url.protocol === 'https:' || LOOPBACK.includes(url.hostname);
  return isPrivate && url.username === '' && url.password === '' && url.hash === '';
}, 'is https://host[:port]/path, or http:// on a loopback address, without credentials');

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,39})$/;

/** Format in which the sink writes entries; `json` if absent. */
const format = z.enum(LOG_FORMATS).optional();

/** Responses wait until the sink has their entries. */
const mustAcknowledge = z.boolean().optional();
const neverAcknowledges = (type: string) =>
  z
    .never({
      error: `is not possible with ${type}, which does not acknowledge entries: use a sink of type http or file`,
    })
    .optional();

const sinkSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), path: absolutePath, mustAcknowledge }),
  z.strictObject({ type: z.literal('stdout'), mustAcknowledge: neverAcknowledges('stdout') }),
  z.strictObject({
    type: z.literal('http'),
    /** URL that names the cursor, which is shown and stored: a token belongs in `headersFile`. */
    url: address.refine((text) => !text.includes('?'), 'must have no query'),
    /** Certificate authorities that are trusted for the receiver, instead of Node's root certificates. */
    caFile: absolutePath.optional(),
    /** Lines `Name: value`, for example with a token. */
    headersFile: absolutePath.optional(),
    format,
    mustAcknowledge,
  }),
  z
    .strictObject({
      type: z.literal('syslog'),
      /** A name or an IP address, which the certificate of the receiver must have. */
      host: z.string().regex(HOST, 'is not a host name or an IP address'),
      port: z.int().min(1).max(65_535).default(6514),
      /** The certificate must have this name instead of `host`. */
      serverName: z.string().regex(HOST, 'is not a host name or an IP address').optional(),
      /** Certificate authorities that are trusted for the receiver, instead of Node's root certificates. */
      caFile: absolutePath.optional(),
      /** The client certificate, with its chain, and its key. */
      certFile: absolutePath.optional(),
      keyFile: absolutePath.optional(),
      format,
      mustAcknowledge: neverAcknowledges('syslog'),
    })
    .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
      message: 'certFile and keyFile belong together',
    }),
]);

const MOST_WITNESSES = 16;

const witnessSchema = z.strictObject({
  /** The name in metrics, messages and `status`. */
  name: z.string().refine(isName, 'is not a lower-case name'),
  /** The submission prefix of C2SP tlog-witness: the broker posts to `<url>/add-checkpoint`. */
  url: address,
  /** The verifier key of the witness, `name+id+key`, of type Ed25519 cosignature/v1. */
  key: z.string().max(512).refine(isWitnessKey, {
    message: 'is not the verifier key of a witness (NAME+HASH+KEY, Ed25519 cosignature/v1)',
  }),
  /** Certificate authorities that are trusted for the witness, instead of Node's root certificates. */
  caFile: absolutePath.optional(),
});

function isWitnessKey(text: string): boolean {
  try {
    parseWitnessKey(text);
    return true;
  } catch {
    return false;
  }
}

/** The limit of single entries of one kind in a window. Further ones are counted into one summary entry at the end of the window. */
const counted = (entriesPerWindow: number) =>
  z
    .strictObject({
      entriesPerWindow: z.int().min(1).max(10_000).default(entriesPerWindow),
      windowSeconds: z.int().min(1).max(3600).default(60),
    })
    .prefault({});

const bucketSchema = z.strictObject({
  type: z.literal('s3'),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  region: z.string().min(1).max(64),
  /** Prefix of the name of each object, without a slash at its end. */
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,198}[A-Za-z0-9]$/, 'must be like quaymaster/prod')
    .optional(),
  /** Endpoint of S3-compatible storage other than AWS. */
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  /** A profile of the shared credentials file; otherwise the credential chain of AWS applies. */
  profile: z.string().min(1).max(128).optional(),
});

const archivePlaceSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('directory'), path: absolutePath }),
  bucketSchema,
]);

/** The place of the archive. Only this file sets it: no API call can direct the log elsewhere. */
const archiveSchema = z.strictObject({
  to: archivePlaceSchema,
  /** Entries stay in the store for at least this many days. */
  keepDays: z.int().min(1).max(3_650).default(90),
  /** Hours between two runs. If absent, the broker archives only on request. */
  intervalHours: z.int().min(1).max(720).optional(),
});

/** The two places of the log key and of the checkpoint, of which a configuration names one, and what is wrong otherwise. */
const PLACES = [
  [
    'logKeyFile',
    'logKey',
    'is needed: a file, or audit.logKey: store',
    'excludes audit.logKeyFile: the log key has one place',
  ],
  [
    'checkpointFile',
    'checkpoint',
    'is needed: a file, or audit.checkpoint for an object in a bucket',
    'excludes audit.checkpointFile: the last checkpoint has one place',
  ],
] as const;

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
    logKeyFile: absolutePath.optional(),
    /** Instead of a file: the store keeps the key, wrapped by the key-encryption key. */
    logKey: z.literal('store').optional(),
    /** The file for the last checkpoint, outside the store's directory. */
    checkpointFile: absolutePath.optional(),
    /** The bucket for the last checkpoint, instead of a file: for brokers without a common directory. */
    checkpoint: bucketSchema.optional(),
    /** The archive. If absent, the store keeps the whole log. */
    archive: archiveSchema.optional(),
    sinks: z.array(sinkSchema).max(16).default([]),
    /** A response waits this long for the sinks with `mustAcknowledge`; then it is withheld. */
    acknowledgeWithinSeconds: z.int().min(1).max(30).default(5),
    /** Independent parties that cosign checkpoints. */
    witnesses: z.array(witnessSchema).max(MOST_WITNESSES).default([]),
    /** Number of witnesses that must cosign. If absent, every witness must cosign a checkpoint before it counts as witnessed. */
    witnessPolicy: z.strictObject({ required: z.int().min(1).max(MOST_WITNESSES) }).optional(),
    /** Serves checkpoint and hashes, without entries, to anyone (C2SP tlog-tiles). */
    publicTiles: z.boolean().default(false),
    /** Pause between two walks over the whole log. Each walk proves every entry. */
    scrubIntervalHours: z.int().min(1).max(720).default(24),
    /** Refusals before authentication: single entries for each network (an IPv4 address, or the /64 of an IPv6 address). */
    refusals: counted(20),
    /** Refusals and failures of a known caller: single entries for each identity, action, path and reason. */
    denials: counted(5),
  })
  .superRefine((audit, context) => {
    for (const [file, other, needed, excluded] of PLACES) {
      const has = [file, other].filter((place) => audit[place] !== undefined);
      if (has.length === 0) context.addIssue({ code: 'custom', path: [file], message: needed });
      if (has.length === 2) context.addIssue({ code: 'custom', path: [other], message: excluded });
    }
  })
  .superRefine(({ sinks, witnesses, witnessPolicy }, context) => {
    const issue = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const names = sinks.map(sinkName);
    if (new Set(names).size < names.length) issue(['sinks'], 'each sink may be named once');
    for (const member of ['name', 'key'] as const)
      if (new Set(witnesses.map((witness) => witness[member])).size < witnesses.length)
        issue(['witnesses'], `two witnesses have the same ${member}`);
    if (witnessPolicy !== undefined && witnessPolicy.required > witnesses.length)
      issue(
        ['witnessPolicy', 'required'],
        `is ${witnessPolicy.required}, and there are ${witnesses.length} witnesses`,
      );
  });

/** Two sinks with one name would share a cursor. */
function sinkName(sink: z.infer<typeof sinkSchema>): string {
  switch (sink.type) {
    case 'file':
      return sink.path;
    case 'stdout':
      return sink.type;
    case 'http':
      return sink.url;
    case 'syslog':
      return `${sink.host}:${sink.port}`;
  }
}

export type AuditConfig = z.infer<typeof auditConfigSchema>;
export type SinkConfig = AuditConfig['sinks'][number];
export type ArchiveConfig = NonNullable<AuditConfig['archive']>;
