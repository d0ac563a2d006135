import { z } from 'zod';
import type { Answer } from '../../api/answer/answers.ts';
import { judgePath } from '../../api/request/judge-request.ts';
import { parseInput } from '../../api/request/parse-input.ts';
import { changeKeptVersions, keptVersions } from '../../broker/documents/kept-versions.ts';
import { holdsAnything } from '../../broker/recording/judge-target.ts';
import { writableVersions } from '../../broker/secrets/write-secret.ts';
import { BrokerError } from '../../domain/errors.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { envelope } from '../answers.ts';
import type { CallerRoute, Matched, OperatorRoute } from './route.ts';

const SMALL = { maxBytes: 100_000, mayBeEmpty: true };
const NO_CONTENT = { status: 204 } as const;

/** No time, in the ways of several clients: `0s`, `0`, `0s0ns`, or an empty text. */
const NO_TIME = /^(?:0(?:ns|us|ms|s|m|h|d)?)*$/;
const EXPIRY =
  'must be 0s: versions do not expire; options.keepVersions of the mount limits their number, and quaymaster destroy removes them';

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
const customMetadata = z
  .record(z.string(), z.unknown())
  .refine(
    (entries) => Object.values(entries).every((value) => value === null),
    'is not stored: describe the secret in its Definition (description), or label its versions with quaymaster put --label',
  )
  .nullish();
const secretSettings = z
  .strictObject({
    ...fixed,
    max_versions: z.int().min(0).nullish(),
    custom_metadata: customMetadata,
  })
  .nullish();
const mountSettings = z
  .strictObject({
    ...fixed,
    max_versions: z.int().min(0).nullish(),
    metadata_cas_required: z
      .literal(false, 'cannot be true: metadata has no versions here')
      .nullish(),
  })
  .nullish();

/** An answer and no error: the use case recorded the request already. */
const NO_SECRET: Answer = {
  status: 404,
  body: { errors: ['the secret does not exist; write its first version before its metadata'] },
};

/** Accepts the settings of a secret that hold for it already, and refuses all others. It changes nothing. */
export const writeMetadata: CallerRoute = ({ path: given }) => ({
  body: SMALL,
  judge: judgePath((path) => ({ action: 'secret.list', path }), 'write'),
  read: ({ body }) => {
    const path = parseSecretPath(given);
    const { max_versions: most } = parseInput(secretSettings, body?.value) ?? {};
    return async ({ parts, call, caller }) => {
      const { versions, keepVersions } = await writableVersions(parts, call, caller, path);
      if (versions.every(({ state }) => state === 'destroyed')) return NO_SECRET;
      if ((most ?? 0) === 0 || most === keepVersions) return NO_CONTENT;
      throw new BrokerError(
        'ERR_BODY_INVALID',
        `"max_versions" is ${keepVersions} for all secrets of the mount; change options.keepVersions of the Mount with quaymaster apply`,
      );
    };
  },
});

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
