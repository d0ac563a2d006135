import { parseSecretPath } from '../../domain/words/names.ts';
import type { CustomMetadata, StoredMetadata } from '../../domain/secrets/custom-metadata.ts';
import type { Capability } from '../../domain/policy/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { SecretVersionInfo } from '../../ports/secret-provider.ts';
import type { Call, Caller } from '../access/call.ts';
import { refusalOf, judge } from '../access/judge.ts';
import type { Eventually } from '../kernel/eventually.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Backends, Values } from '../state/dependencies.ts';
import { targetOf } from '../state/target.ts';
import { absentIfMissing, writable, type Writable, type WritingParts } from './staged-change.ts';

/** All that is known of a secret without its values. */
export interface DescribedSecret {
  /** The newest version first; none if only custom metadata exists. */
  readonly versions: readonly SecretVersionInfo[];
  readonly metadata: StoredMetadata | undefined;
}

/** Reads the versions and the custom metadata of a secret, never its values. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT */
export async function secretVersions(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  path: string,
): Promise<DescribedSecret> {
  parseSecretPath(path);
  return ofListing({ parts, call, caller, path }, 'list', async (target) => {
    const metadata = await target.writes.metadata.read(target.locator);
    const versions = await versionsAt(target);
    if (versions.length === 0 && metadata === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return { versions, metadata };
  });
}

/** Versions of a secret (none if it is absent) for a caller that may write it. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT */
export async function writableVersions(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  path: string,
): Promise<readonly SecretVersionInfo[]> {
  return ofListing({ parts, call, caller, path }, 'write', versionsAt);
}

/** The custom metadata of a secret for a caller that has read or written the secret; undefined if there is none. */
export function customMetadataOf(
  {
    catalog,
    connections,
    metadata,
  }: Pick<Backends & Values, 'catalog' | 'connections' | 'metadata'>,
  path: string,
): Eventually<CustomMetadata | undefined> {
  const { mount, definition } = targetOf({ catalog }, path);
  const { writes } = connections.provider(mount);
  if (writes === undefined) return undefined;
  return metadata.of(path, async () => {
    const locator = connections.locate(mount, path, definition?.spec.ref);
    return (await writes.metadata.read(locator))?.entries;
  });
}

/** Versions of a secret; none if it is absent. */
export async function versionsAt({
  writes,
  locator,
}: Pick<Writable, 'writes' | 'locator'>): Promise<readonly SecretVersionInfo[]> {
  return (await writes.versions(locator).catch(absentIfMissing)) ?? [];
}

interface Listing {
  readonly parts: WritingParts;
  readonly call: Call;
  readonly caller: Caller;
  readonly path: string;
}

/** Records a listing by a caller with this capability. */
function ofListing<T>(
  { parts, call, caller, path }: Listing,
  capability: Capability,
  work: (target: Writable) => Promise<T>,
): Promise<T> {
  return recordOperation({ parts, call, caller }, { action: 'secret.list', path }, (now) => {
    const verdict = judge(parts, call, now, { capability, path });
    if (!verdict.allowed) throw refusalOf(verdict);
    return work(writable(parts, call, path));
  });
}
