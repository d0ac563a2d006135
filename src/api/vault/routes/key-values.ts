import { listSecrets } from '../../../broker/secrets/list-secrets.ts';
import { readSecret } from '../../../broker/secrets/read-secrets.ts';
import {
  customMetadataOf,
  secretVersions,
  type DescribedSecret,
} from '../../../broker/secrets/secret-versions.ts';
import { judge } from '../../../broker/access/judge.ts';
import type { CustomMetadata } from '../../../domain/secrets/custom-metadata.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { parseSecretPath } from '../../../domain/words/names.ts';
import { instant } from '../../../domain/time/instant.ts';
import { ByteText } from '../../../domain/words/byte-text.ts';
import type { Answer } from '../../request/answers.ts';
import type { Asked } from '../../request/route.ts';
import type { Caller } from '../../../broker/access/call.ts';
import { shownSchedule } from '../../../rotation/shown-schedule.ts';
import { envelope, secondsUntil, valuesEnvelope } from '../answers.ts';
import { scheduleMembers } from './leases.ts';
import type { CallerRoute, Matched } from '../route.ts';

const VERSION = /^-?[0-9]{1,18}$/;
/** Go's zero time, which clients take for "unknown". */
const UNKNOWN_TIME = '0001-01-01T00:00:00Z';
/** Seconds for which a caller without a lease may keep a value of KV version 1. */
const KEPT_SECONDS = 900;

/** Some clients send 0 or -1 for the current version. @throws ERR_REQUEST_INVALID */
function versionOf({ query }: Matched): string | undefined {
  const version = query.get('version');
  if (version === undefined || version === '') return undefined;
  if (VERSION.test(version)) return Number(version) > 0 ? String(Number(version)) : undefined;
  throw new BrokerError('ERR_REQUEST_INVALID', '"version" is a number', { reason: 'parameter' });
}

/** Clients read a number. A backend may name its versions otherwise; its secrets cannot be written here, so no client compares the number. */
function versionNumber(version: string): number {
  return /^[1-9][0-9]{0,14}$/.test(version) ? Number(version) : 1;
}

/** Clients expect null where nothing is stored. */
function customJson(custom: CustomMetadata | undefined): CustomMetadata | null {
  return custom === undefined || Object.keys(custom).length === 0 ? null : custom;
}

/** Facts of a version that clients show. */
interface ShownVersion {
  readonly version: string;
  readonly createdAt: number | undefined;
  readonly custom: CustomMetadata | undefined;
}

/** Metadata of a version that is not deleted. */
export function versionMetadata({ version, createdAt, custom }: ShownVersion): object {
  return {
    created_time: createdAt === undefined ? UNKNOWN_TIME : instant(createdAt),
    custom_metadata: customJson(custom),
    deletion_time: '',
    destroyed: false,
    version: versionNumber(version),
  };
}

/** Reads a version of KV version 2. */
export const readData: CallerRoute = (matched) => ({
  read: () => {
    const path = parseSecretPath(matched.path);
    const version = versionOf(matched);
    return async (asked) => {
      const { parts, call, caller } = asked;
      try {
        const { value, warning } = await readSecret(parts, call, caller, { path, version });
        const json = value.json.toString('latin1');
        const schedule = shownSchedule(parts, path);
        const shown = schedule instanceof Promise ? await schedule : schedule;
        const metadata = customMetadataOf(parts, path);
        const custom = metadata instanceof Promise ? await metadata : metadata;
        const about = versionMetadata({ ...value, custom });
        const beside = { metadata: about, ...(shown && scheduleMembers(shown)) };
        const tail = ByteText.of(`,${JSON.stringify(beside).slice(1)}`).latin1;
        const data = new ByteText(`{"data":${json}${tail}`);
        return valuesEnvelope(
          call,
          { warnings: warning === undefined ? undefined : [warning] },
          data,
        );
      } catch (error) {
        return absentVersion(asked, { path, version }, error);
      }
    };
  },
});

/** Answers a read of a deleted or destroyed version, with its metadata for a caller that may list the secret. */
async function absentVersion(
  { parts, call, caller }: Asked<Caller>,
  { path, version }: { readonly path: string; readonly version: string | undefined },
  error: unknown,
): Promise<Answer> {
  const isAbsent = error instanceof BrokerError && error.code === 'ERR_NOT_FOUND';
  if (!isAbsent || error.reason === 'no_mount') throw error;
  if (!judge(parts, call, caller, { capability: 'list', path }).allowed) throw error;
  const { versions, metadata } = await secretVersions(parts, call, caller, path).catch(
    () => NOTHING,
  );
  const found =
    version === undefined ? versions[0] : versions.find((each) => each.version === version);
  if (found === undefined || !isGone(found)) throw error;
  const shown = { ...found, custom: metadata?.entries };
  const about = { ...versionMetadata(shown), ...goneJson(found) };
  return { ...envelope(call, { data: { data: null, metadata: about } }), status: 404 };
}

type Version = DescribedSecret['versions'][number];
const NOTHING: DescribedSecret = { versions: [], metadata: undefined };

function isGone({ state }: Version): boolean {
  return state === 'deleted' || state === 'destroyed';
}

/** The broker does not keep the time of a deletion. Clients take a deletion in the future for one that did not happen yet, so the time of the version is shown. */
function goneJson({ state, createdAt }: Version): object {
  return {
    deletion_time: state === 'deleted' ? instant(createdAt) : '',
    destroyed: state === 'destroyed',
  };
}

/** A secret whose versions were all destroyed is gone for these clients. The read is recorded already, so this is not an error. */
const NO_VALUE: Answer = { status: 404, body: { errors: [] } };

/** Reads the versions and the custom metadata of a secret of KV version 2, without values. */
export const readMetadata: CallerRoute = ({ path: given }) => ({
  read: () => {
    const path = parseSecretPath(given);
    return async ({ parts, call, caller }) => {
      const { versions, metadata } = await secretVersions(parts, call, caller, path);
      const [newest] = versions;
      const oldest = versions.at(-1);
      const areGone = versions.every(({ state }) => state === 'destroyed');
      if (areGone && metadata === undefined) return NO_VALUE;
      const entries = versions.map((each) => [
        versionNumber(each.version),
        { created_time: instant(each.createdAt), ...goneJson(each) },
      ]);
      const times = [oldest?.createdAt, newest?.createdAt, metadata?.updatedAt].filter(
        (time) => time !== undefined,
      );
      const data = {
        cas_required: false,
        created_time: instant(Math.min(...times)),
        current_metadata_version: metadata?.version ?? 0,
        current_version: newest === undefined ? 0 : versionNumber(newest.version),
        custom_metadata: customJson(metadata?.entries),
        delete_version_after: '0s',
        max_versions: 0,
        metadata_cas_required: false,
        oldest_version: oldest === undefined ? 0 : versionNumber(oldest.version),
        updated_time: instant(Math.max(...times)),
        versions: Object.fromEntries(entries) as object,
      };
      return envelope(call, { data });
    };
  },
});

/** Reads a secret of KV version 1. The lease tells the client when to read again. */
export const readValue: CallerRoute = (matched) => ({
  read: () => {
    const path = parseSecretPath(matched.path);
    const version = versionOf(matched);
    return async ({ parts, call, caller }) => {
      const { value, lease, warning } = await readSecret(parts, call, caller, { path, version });
      const leaseSeconds =
        lease === undefined
          ? KEPT_SECONDS
          : Math.max(1, secondsUntil(lease.endsAt, parts.clock.now()));
      const warnings = warning === undefined ? undefined : [warning];
      const data = new ByteText(value.json.toString('latin1'));
      return valuesEnvelope(call, { leaseSeconds, warnings }, data);
    };
  },
});

const PAGE = 1_000;
/** Limit of the names of one list: clients of this API ask for no next page. */
export const MOST_NAMES = 10_000;

/** Lists the names below a folder; folders end in a slash. */
export const listNames: CallerRoute = ({ path: prefix }) => ({
  read: ({ rates }) => {
    if (prefix !== '') parseSecretPath(prefix);
    return async ({ parts, call, caller }) => {
      const charge = (reads: number): void => rates.chargeCaller(caller, reads);
      const keys = new Set<string>();
      let [after, count]: [string | undefined, number] = [undefined, 0];
      do {
        const page = { limit: PAGE, after };
        const found = await listSecrets(parts, call, caller, { prefix, page, charge });
        for (const { path } of found.items) addKey(keys, path, prefix);
        count += found.items.length;
        after = found.next;
        if (count >= MOST_NAMES && after !== undefined) throw tooMany('quaymaster ls');
      } while (after !== undefined);
      if (keys.size === 0) throw new BrokerError('ERR_NOT_FOUND', undefined, { reason: 'empty' });
      return envelope(call, { data: { keys: [...keys].sort() } });
    };
  },
});

/** Adds the part of a name that follows the folder; a slash ends the name of a folder. */
export function addKey(keys: Set<string>, path: string, prefix: string): void {
  if (path === prefix) return;
  const below = prefix === '' ? path : path.slice(prefix.length + 1);
  const slash = below.indexOf('/');
  keys.add(slash === -1 ? below : below.slice(0, slash + 1));
}

export function tooMany(command: string): BrokerError {
  return new BrokerError(
    'ERR_REQUEST_INVALID',
    `more than ${MOST_NAMES} names lie below this folder; list a folder below it, or use ${command}`,
    { reason: 'too_many_names' },
  );
}
