import { oneOf } from './table-shape.ts';

/** The tables about containers: their images, and alerts at run time. */
export const CONTAINER_TABLES = {
  /** Signatures of images and attestations about them, by the digest of the image. */
  attestations: {
    columns: {
      digest: 'text',
      id: 'text',
      /** JSON: a Sigstore bundle, or payload and signature. Untrusted until a profile names the required signer. */
      body: 'bytes',
      created_at: 'integer',
      created_by: 'text',
      mac: 'bytes',
    },
    key: ['digest', 'id'],
    digestedSince: 4,
  },
  /** Alerts of runtime security, reads of decoys, violations and opened incidents, each with the response to it. The oldest are deleted above a number. */
  alerts: {
    columns: {
      /** Derived from the event, so that a repeated delivery finds it. */
      id: 'text',
      /** Name of the source, or the part of the broker that raised it. */
      source: 'text',
      /** `pending`: an operator must approve the response. */
      state: oneOf<'kept' | 'unmatched' | 'pending' | 'responding' | 'done' | 'dismissed'>(),
      received_at: 'integer',
      /** JSON: the alert in the normal form, its pod, its rule and the progress of the response. */
      body: 'text',
      /** The store computes it (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
    digestedSince: 5,
    sealedSince: 5,
  },
  /** The newest report of one kind by one scanner about one image, limited to the parts that checks read. */
  image_evidence: {
    columns: {
      /** Made from kind, scanner and image, so that a newer report replaces an older one. */
      id: 'text',
      kind: oneOf<'vulnerabilities' | 'secrets' | 'vex'>(),
      scanner: 'text',
      scanner_version: 'text',
      /** JSON: all digests of the image. */
      digests: 'text',
      /** The digest of the configuration of the image, if the report has it. */
      config_digest: 'text?',
      /** The operator or workload that sent it, or `watch:<cluster>`. */
      writer: 'text',
      reported_at: 'integer',
      received_at: 'integer',
      /** Time at which a pod with this image was last judged. */
      seen_at: 'integer',
      /** The findings, as JSON, compressed. */
      body: 'bytes',
      /** The store computes it (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
      /** JSON: prefixes of the repositories for whose images it counts; null: for all. */
      scope: 'text?',
    },
    key: ['id'],
    digestedSince: 6,
    sealedSince: 6,
    laterColumns: ['scope'],
  },
} as const;
