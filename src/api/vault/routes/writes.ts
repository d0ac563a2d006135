import * as z from 'zod';
import {
  deleteSecret,
  destroySecret,
  patchSecret,
  undeleteSecret,
  writeSecret,
  type WrittenSecret,
} from '../../../broker/secrets/write-secret.ts';
import { customMetadataOf, writableVersions } from '../../../broker/secrets/secret-versions.ts';
import type { Call, Caller } from '../../../broker/access/call.ts';
import { judge } from '../../../broker/access/judge.ts';
import type { CustomMetadata } from '../../../domain/secrets/custom-metadata.ts';
import type { Asked } from '../../request/route.ts';
import type { Answer } from '../../request/answers.ts';
import { secretChanges, secretData } from '../../request/fields.ts';
import { judgePath } from '../../request/judge-request.ts';
import { parseInput } from '../../request/parse-input.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { parseSecretPath } from '../../../domain/words/names.ts';
import { envelope } from '../answers.ts';
import { versionMetadata } from './key-values.ts';
import type { CallerRoute } from '../route.ts';

const WRITE_BYTES = 1_048_576 * 2;
const SMALL_BYTES = 100_000;
const NO_CONTENT = { status: 204 } as const;

const options = z.object({ cas: z.int().min(0).optional() }).nullish();
const written = z.object({ data: secretData, options });
const changed = z.object({ data: secretChanges, options });

/** Version that the writer expects; 0 stands for a secret that does not exist. */
function expectedVersion(given: z.infer<typeof options>): string | undefined {
  const cas = given?.cas;
  return cas === undefined ? undefined : cas === 0 ? 'absent' : String(cas);
}

const judged = judgePath((path) => ({ action: 'secret.write', path }), 'write');

/** The written version, with the custom metadata for a caller that may list or read the secret. */
async function writtenAnswer(
  { parts, call, caller }: Asked<Caller>,
  { path, version }: WrittenSecret,
): Promise<Answer> {
  const { allowed } = judge(parts, call, caller, { capability: 'list', path });
  const custom = allowed ? await foundMetadata(parts, path) : undefined;
  const data = versionMetadata({ version, createdAt: parts.clock.now(), custom });
  return envelope(call, { data });
}

/** The version is written: a failure here must not look like a failed write. */
async function foundMetadata(
  parts: Asked<Caller>['parts'],
  path: string,
): Promise<CustomMetadata | undefined> {
  try {
    return await customMetadataOf(parts, path);
  } catch {
    return undefined;
  }
}

/** Writes a version of KV version 2. */
export const writeData: CallerRoute = ({ path: given }) => ({
  body: { maxBytes: WRITE_BYTES },
  judge: judged,
  read: ({ body }) => {
    const path = parseSecretPath(given);
    const asked = parseInput(written, body?.value);
    const ifVersion = expectedVersion(asked.options);
    return async (acting) => {
      const { parts, call, caller } = acting;
      const stored = await writeSecret(parts, call, caller, { path, data: asked.data, ifVersion });
      return writtenAnswer(acting, stored);
    };
  },
});

/** Changes single keys of KV version 2; null removes a key. */
export const patchData: CallerRoute = ({ path: given }) => ({
  body: { maxBytes: WRITE_BYTES },
  judge: judged,
  read: ({ body }) => {
    const path = parseSecretPath(given);
    const { data: changes, options: asked } = parseInput(changed, body?.value);
    const ifVersion = expectedVersion(asked);
    return async (acting) => {
      const { parts, call, caller } = acting;
      const stored = await patchSecret(parts, call, caller, { path, changes, ifVersion });
      return writtenAnswer(acting, stored);
    };
  },
});

/** Writes a secret of KV version 1: the body is its data. */
export const writeValue: CallerRoute = ({ path: given }) => ({
  body: { maxBytes: WRITE_BYTES },
  judge: judged,
  read: ({ body }) => {
    const path = parseSecretPath(given);
    const data = parseInput(secretData, body?.value);
    return async ({ parts, call, caller }) => {
      await writeSecret(parts, call, caller, { path, data });
      return NO_CONTENT;
    };
  },
});

function isAbsent(error: unknown): boolean {
  return (
    error instanceof BrokerError && error.code === 'ERR_NOT_FOUND' && error.reason !== 'no_mount'
  );
}

/**
 * Answers the removal of what is absent like any other removal, as other servers of this API do. The use case recorded that nothing was there.
 */
async function removal(removed: Promise<unknown>): Promise<Answer> {
  try {
    await removed;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return NO_CONTENT;
}

export const deleteValue: CallerRoute = ({ path: given }) => ({
  read: () => {
    const path = parseSecretPath(given);
    return ({ parts, call, caller }) => removal(deleteSecret(parts, call, caller, { path }));
  },
});

/** Destroys a secret with all its versions. */
export const destroyAll: CallerRoute = ({ path: given }) => ({
  read: () => {
    const path = parseSecretPath(given);
    return ({ parts, call, caller }) => removal(destroySecret(parts, call, caller, { path }));
  },
});

/** Clients send numbers, or texts of numbers. */
const version = z
  .union([z.int().min(1), z.string().regex(/^[1-9][0-9]{0,14}$/, 'is not a number')])
  .transform(String);
const versionsBody = z.object({ versions: z.array(version).min(1).max(100) });

type Change = (
  parts: Parameters<typeof deleteSecret>[0],
  call: Call,
  caller: Caller,
  target: { readonly path: string; readonly versions: readonly string[] },
) => Promise<Answer>;

function versionsRoute(change: Change): CallerRoute {
  return ({ path: given }) => ({
    body: { maxBytes: SMALL_BYTES },
    judge: judged,
    read: ({ body }) => {
      const path = parseSecretPath(given);
      const { versions: named } = parseInput(versionsBody, body?.value);
      return ({ parts, call, caller }) => change(parts, call, caller, { path, versions: named });
    },
  });
}

/** An answer and no error: the use case recorded the refusal already. */
const NOT_CURRENT: Answer = {
  status: 400,
  body: {
    errors: [
      'a secret is deleted as a whole, so "versions" must name the current version; destroy removes single versions',
    ],
  },
};

/** Deletes the secret if the current version is among the named ones. The broker deletes no version without the others. */
export const deleteVersions = versionsRoute(async (parts, call, caller, { path, versions }) => {
  try {
    return await removal(deleteSecret(parts, call, caller, { path, ifVersions: versions }));
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_VERSION_CONFLICT') return NOT_CURRENT;
    throw error;
  }
});

/** Restores the secret with all its versions, if the version that was current is among the named ones. */
export const undeleteVersions = versionsRoute(async (parts, call, caller, { path, versions }) => {
  await undeleteSecret(parts, call, caller, { path, among: versions });
  return NO_CONTENT;
});

/** Destroys the named versions that exist. The use case destroys all of them or none, so those that are gone are left out when it finds one. */
export const destroyVersions = versionsRoute(async (parts, call, caller, { path, versions }) => {
  try {
    await destroySecret(parts, call, caller, { path, versions });
  } catch (error) {
    if (!isAbsent(error)) throw error;
    const kept = (await writableVersions(parts, call, caller, path))
      .filter(({ state, version: each }) => state !== 'destroyed' && versions.includes(each))
      .map(({ version: each }) => each);
    if (kept.length > 0) await destroySecret(parts, call, caller, { path, versions: kept });
  }
  return NO_CONTENT;
});
