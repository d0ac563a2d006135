import * as z from 'zod';
import { listSecrets as list, type ListedSecret } from '../../broker/secrets/list-secrets.ts';
import { describeSecret as describe } from '../../broker/secrets/describe-secret.ts';
import { readSecret as discloseSecret } from '../../broker/secrets/read-secrets.ts';
import { secretVersions } from '../../broker/secrets/secret-versions.ts';
import {
  deleteSecret as remove,
  destroySecret as destroy,
  patchSecret as patch,
  undeleteSecret as restore,
  writeSecret as write,
} from '../../broker/secrets/write-secret.ts';
import { BrokerError } from '../../domain/errors.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { disclosureJson } from '../answer/disclosure-json.ts';
import { readPreconditions } from '../answer/entity-tag.ts';
import {
  metadataChanges,
  secretChanges,
  secretData,
  secretVersion,
  versionNote,
} from '../request/fields.ts';
import type { StoredMetadata } from '../../domain/secrets/custom-metadata.ts';
import { instant } from '../../domain/time/instant.ts';
import { judgePath } from '../request/judge-request.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { checkReason, readReason } from '../request/read-reason.ts';
import { parseInput, parseOptional, parseParameter } from '../request/parse-input.ts';
import type { Incoming, RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

/** The largest value as JSON text with each character escaped, and room for the rest of the body. */
const WRITE_BYTES = 1_048_576 * 2;
/** Limit of the body: 100 versions of 128 characters, each escaped. */
const SMALL_BYTES = 100_000;
/** 64 keys of 128 bytes with values of 512 bytes, each character escaped. */
const METADATA_BYTES = 262_144;
const ABSENT = 'absent';

export const readSecret: RouteOf<'readSecret'> = {
  query: ['version', 'reason'],
  read: ({ params, query }) => {
    const path = pathOf(params);
    const version = parseOptional(secretVersion, query.get('version'));
    const reason = parseOptional(readReason, query.get('reason'));
    return async ({ parts, call, caller }) => {
      checkReason(caller, reason);
      const disclosure = await discloseSecret(parts, call, caller, { path, version, reason });
      return { status: 200, values: disclosureJson(disclosure) };
    };
  },
};

const deletedFlag = z.enum(['true', 'false'], '"deleted" is true or false').optional();

export const listSecrets: RouteOf<'listSecrets'> = {
  query: ['prefix', 'deleted', ...PAGE_QUERY],
  read: ({ query, rates }) => {
    const prefix = query.get('prefix') ?? '';
    if (prefix !== '') parseSecretPath(prefix);
    const deleted = parseParameter(deletedFlag, query.get('deleted')) === 'true';
    const page = readPage(query);
    return async ({ parts, call, caller }) => {
      const charge = (reads: number): void => rates.chargeCaller(caller, reads);
      const found = await list(parts, call, caller, { prefix, deleted, page, charge });
      const listingJson = ({ destroyAt, ...item }: ListedSecret): Shape<'SecretListing'> => ({
        ...item,
        ...(destroyAt !== undefined && { destroyAt: instant(destroyAt) }),
      });
      return { status: 200, body: pageJson(found, listingJson) };
    };
  },
};

const written = z.strictObject({
  data: secretData,
  ...versionNote,
  method: z.enum(['put', 'import'], 'is put or import').optional(),
});

/** Answer to keys that a write drops, or that a patch removes and the secret does not have. */
const keyCheck = z.enum(['allow', 'refuse'], 'is allow or refuse').default('allow');

export const writeSecret: RouteOf<'writeSecret'> = {
  query: ['dropKeys'],
  body: { maxBytes: WRITE_BYTES },
  judge: judgePath((path) => ({ action: 'secret.write', path }), 'write'),
  read: ({ params, query, headers, body }) => {
    const path = pathOf(params);
    const keepsKeys = parseParameter(keyCheck, query.get('dropKeys')) === 'refuse';
    const { data, method, ...note } = parseInput(written, body?.value);
    const ifVersion = versionWanted(headers);
    return async ({ parts, call, caller }) => {
      const asked = { path, data, ifVersion, keepsKeys, note, ...(method && { method }) };
      const stored = await write(parts, call, caller, asked);
      const status = ifVersion === ABSENT ? 201 : 200;
      return { status, headers: ['ETag', `"${stored.version}"`], body: stored };
    };
  },
};

const changed = z.strictObject({ data: secretChanges, ...versionNote });

export const patchSecret: RouteOf<'patchSecret'> = {
  query: ['absentKeys'],
  body: { maxBytes: WRITE_BYTES },
  judge: judgePath((path) => ({ action: 'secret.write', path }), 'write'),
  read: ({ params, query, headers, body }) => {
    const path = pathOf(params);
    const refusesAbsent = parseParameter(keyCheck, query.get('absentKeys')) === 'refuse';
    const { data: changes, ...note } = parseInput(changed, body?.value);
    const ifVersion = versionWanted(headers);
    if (ifVersion === ABSENT) throw refused('If-None-Match is for creating');
    return async ({ parts, call, caller }) => {
      const asked = { path, changes, ifVersion, refusesAbsent, note };
      const stored = await patch(parts, call, caller, asked);
      return { status: 200, headers: ['ETag', `"${stored.version}"`], body: stored };
    };
  },
};

const description = z.strictObject({
  customMetadata: metadataChanges,
  replace: z.boolean().optional(),
});

export const describeSecret: RouteOf<'describeSecret'> = {
  body: { maxBytes: METADATA_BYTES },
  judge: judgePath((path) => ({ action: 'secret.describe', path }), 'write'),
  read: ({ params, headers, body }) => {
    const path = pathOf(params);
    const { customMetadata: entries, replace: replaces = false } = parseInput(
      description,
      body?.value,
    );
    const ifVersion = metadataWanted(headers);
    return async ({ parts, call, caller }) => {
      const change = { path, entries, replaces, ifVersion };
      const described = await describe(parts, call, caller, change);
      return {
        status: 200,
        headers: ['ETag', `"${described.metadataVersion}"`],
        body: described,
      };
    };
  },
};

export const deleteSecret: RouteOf<'deleteSecret'> = {
  read: ({ params, headers }) => {
    const path = pathOf(params);
    const ifVersion = versionWanted(headers);
    if (ifVersion === ABSENT) throw refused('If-None-Match is for creating');
    const ifVersions = ifVersion === undefined ? undefined : [ifVersion];
    return async ({ parts, call, caller }) => {
      const destroyAt = await remove(parts, call, caller, { path, ifVersions });
      const until = destroyAt === undefined ? {} : { destroyAt: instant(destroyAt) };
      return { status: 200, body: { path, ...until } };
    };
  },
};

const restoration = z.strictObject({ version: secretVersion.optional() });

export const undeleteSecret: RouteOf<'undeleteSecret'> = {
  body: { maxBytes: SMALL_BYTES },
  judge: judgePath((path) => ({ action: 'secret.undelete', path }), 'write'),
  read: ({ params, body }) => {
    const path = pathOf(params);
    const { version } = parseInput(restoration, body?.value);
    return async ({ parts, call, caller }) => {
      const restored = await restore(parts, call, caller, { path, version });
      return { status: 200, headers: ['ETag', `"${restored.version}"`], body: restored };
    };
  },
};

const destruction = z.strictObject({ versions: z.array(secretVersion).min(1).max(100).optional() });

export const destroySecret: RouteOf<'destroySecret'> = {
  body: { maxBytes: SMALL_BYTES },
  judge: judgePath((path) => ({ action: 'secret.destroy', path }), 'write'),
  read: ({ params, headers, body }) => {
    const path = pathOf(params);
    const { versions } = parseInput(destruction, body?.value);
    const ifVersion = versionWanted(headers);
    if (ifVersion === ABSENT) throw refused('If-None-Match is for creating');
    return async ({ parts, call, caller }) => {
      await destroy(parts, call, caller, { path, versions, ifVersion });
      return { status: 204 };
    };
  },
};

export const listSecretVersions: RouteOf<'listSecretVersions'> = {
  read: ({ params }) => {
    const path = pathOf(params);
    return async ({ parts, call, caller }) => {
      const { versions, metadata } = await secretVersions(parts, call, caller, path);
      const items = versions.map(({ createdAt, destroyAt, destroyedAt, ...info }) => ({
        ...info,
        createdAt: instant(createdAt),
        ...(destroyAt !== undefined && { destroyAt: instant(destroyAt) }),
        ...(destroyedAt !== undefined && { destroyedAt: instant(destroyedAt) }),
      }));
      return {
        status: 200,
        body: { items, ...(metadata && { customMetadata: metadataJson(metadata) }) },
      };
    };
  },
};

function metadataJson({
  updatedAt,
  ...metadata
}: StoredMetadata): Shape<'SecretVersions'>['customMetadata'] {
  return { ...metadata, updatedAt: instant(updatedAt) };
}

/** @throws ERR_PATH_INVALID */
function pathOf(params: Incoming['params']): string {
  return parseSecretPath(params['path'] ?? '');
}

/** The entity tag of a secret is its version in quotes. `ABSENT` stands for "no version", so `If-Match` must not name it. */
function versionWanted(headers: Incoming['headers']): string | undefined {
  const { ifMatch, ifNoneMatch } = readPreconditions(headers);
  if (ifNoneMatch !== undefined) return ABSENT;
  if (ifMatch === undefined) return undefined;
  const version = ifMatch.slice(1, -1);
  if (ifMatch === '*' || version === ABSENT) throw refused('If-Match takes one version in quotes');
  return version;
}

/** The entity tag of custom metadata is its version in quotes. `If-None-Match: *` stands for version 0: there is none yet. */
function metadataWanted(headers: Incoming['headers']): number | undefined {
  const { ifMatch, ifNoneMatch } = readPreconditions(headers);
  if (ifNoneMatch !== undefined) return 0;
  if (ifMatch === undefined) return undefined;
  const version = /^"(0|[1-9][0-9]{0,14})"$/.exec(ifMatch)?.[1];
  if (version === undefined) throw refused('If-Match takes one version of the metadata in quotes');
  return Number(version);
}

function refused(detail: string): BrokerError {
  return new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'precondition' });
}
