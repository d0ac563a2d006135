import * as z from 'zod';
import { metadataChanges } from '../../request/fields.ts';
import { judgePath } from '../../request/judge-request.ts';
import { parseInput } from '../../request/parse-input.ts';
import { changeKeptVersions, keptVersions } from '../../../broker/documents/kept-versions.ts';
import { holdsAnything } from '../../../broker/recording/judge-target.ts';
import { describeSecret } from '../../../broker/secrets/describe-secret.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { parseSecretPath } from '../../../domain/words/names.ts';
import { envelope } from '../answers.ts';
import type { CallerRoute, Matched, OperatorRoute } from '../route.ts';

const SMALL = { maxBytes: 100_000, mayBeEmpty: true };
/** 64 keys of 128 bytes with values of 512 bytes, each character escaped. */
const METADATA = { maxBytes: 262_144, mayBeEmpty: true };
const NO_CONTENT = { status: 204 } as const;

/** No time, in the ways of several clients: `0s`, `0`, `0s0ns`, or an empty text. */
const NO_TIME = /^(?:0(?:ns|us|ms|s|m|h|d)?)*$/;
const EXPIRY =
  'must be 0s: versions do not expire; options.keepVersions of the mount limits their number, and quaymaster destroy removes them';

const metadataCas = z
  .literal(
    false,
    'cannot be true: each writer names the version that it expects, with metadata_cas',
  )
  .nullish();

/**
 * Settings of KV version 2 that this broker does not have. A request may state what holds anyway, because clients send default values; every other value is
 * refused, because a client would rely on it.
 */
const fixed = {
  cas_required: z
    .literal(
      false,
      'cannot be true: each writer names the version that it expects, with cas, or with quaymaster put --if-version',
    )
    .nullish(),
  delete_version_after: z
    .union([z.literal(0), z.string().max(32).regex(NO_TIME, EXPIRY)], EXPIRY)
    .nullish(),
};
/** A value of custom metadata. Clients send numbers and booleans too; they are kept as texts. */
const customMetadata = z
  .record(
    z.string(),
    z
      .union([z.string(), z.number(), z.boolean(), z.null()])
      .transform((value) => (value === null ? null : String(value))),
  )
  .pipe(metadataChanges)
  .nullish();
const secretSettings = z
  .strictObject({
    ...fixed,
    max_versions: z.int().min(0).nullish(),
    custom_metadata: customMetadata,
    metadata_cas: z.int().min(0).nullish(),
    metadata_cas_required: metadataCas,
  })
  .nullish();
const mountSettings = z
  .strictObject({
    ...fixed,
    max_versions: z.int().min(0).nullish(),
    metadata_cas_required: metadataCas,
  })
  .nullish();

interface Writing {
  /** A patch keeps the keys that it does not name, and changes only what exists. */
  readonly isPatch: boolean;
}

/** Writes the custom metadata of a secret. Settings are accepted if they hold for it already. */
function metadataRoute({ isPatch }: Writing): CallerRoute {
  return ({ path: given }) => ({
    body: METADATA,
    judge: judgePath((path) => ({ action: 'secret.describe', path }), 'write'),
    read: ({ body }) => {
      const path = parseSecretPath(given);
      const settings = parseInput(secretSettings, body?.value) ?? {};
      const { max_versions: most, custom_metadata: entries, metadata_cas: cas } = settings;
      const description = {
        path,
        entries: entries ?? {},
        replaces: !isPatch && entries !== undefined && entries !== null,
        ifVersion: cas ?? undefined,
        refusesAbsent: isPatch,
        check: ({ keepVersions }: { readonly keepVersions: number }): void => {
          if ((most ?? 0) !== 0 && most !== keepVersions) throw otherCount(keepVersions);
        },
      };
      return async ({ parts, call, caller }) => {
        await describeSecret(parts, call, caller, description);
        return NO_CONTENT;
      };
    },
  });
}

function otherCount(keepVersions: number): BrokerError {
  return new BrokerError(
    'ERR_BODY_INVALID',
    `"max_versions" is ${keepVersions} for all secrets of the mount; change options.keepVersions of the Mount with quaymaster apply`,
  );
}

export const writeMetadata = metadataRoute({ isPatch: false });
export const patchMetadata = metadataRoute({ isPatch: true });

function prefixOf({ mount }: Matched): string {
  return mount?.prefix ?? '';
}

/** Reads the settings of a mount. A caller without any right learns nothing. */
export const readConfig: CallerRoute = (matched) => ({
  read:
    () =>
    ({ parts, call, caller }) => {
      if (!holdsAnything({ parts, caller })) throw new BrokerError('ERR_DENIED');
      const { count } = keptVersions(parts, prefixOf(matched));
      const data = {
        cas_required: false,
        delete_version_after: '0s',
        max_versions: count,
        metadata_cas_required: false,
      };
      return Promise.resolve(envelope(call, { data }));
    },
});

/** Changes how many versions a mount keeps, as a change of its document. */
export const writeConfig: OperatorRoute = (matched) => ({
  body: SMALL,
  read: ({ body }) => {
    const { max_versions: most } = parseInput(mountSettings, body?.value) ?? {};
    return async ({ parts, call, caller }) => {
      const change = { prefix: prefixOf(matched), count: most ?? undefined };
      await changeKeptVersions(parts, call, caller, change);
      return NO_CONTENT;
    };
  },
});
