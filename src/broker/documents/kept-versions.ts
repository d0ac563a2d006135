import { BrokerError } from '../../domain/errors.ts';
import type { SecretWrites } from '../../ports/secret-provider.ts';
import type { Call } from '../access/call.ts';
import { documentTag, type StoredDocument } from '../model/document.ts';
import type { Backends, Rights } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { applyDocument } from './apply-document.ts';

type Mounts = Pick<Rights, 'catalog'> & Pick<Backends, 'connections'>;

interface KeptVersions {
  readonly mount: StoredDocument<'mount'>;
  readonly count: SecretWrites['keepVersions'];
}

/** Finds how many versions of each secret below the prefix are kept. @throws ERR_CONFLICT if no one number holds for all of them */
export function keptVersions({ catalog, connections }: Mounts, prefix: string): KeptVersions {
  const [mount, ...others] = catalog.mounts.touching(prefix);
  const writes = mount && connections.provider(mount).writes;
  if (mount !== undefined && writes !== undefined && others.length === 0)
    return { mount, count: writes.keepVersions };
  throw new BrokerError(
    'ERR_CONFLICT',
    'no single number of kept versions holds here: several mounts of Quaymaster or none have these paths, or a backend counts the versions; list the mounts with quaymaster mount ls',
  );
}

/**
 * Changes how many versions of each secret are kept, in the document of the mount. 0 stands for the default. Authority, checks and records are those of
 * {@link applyDocument}.
 * @throws as {@link applyDocument}, and ERR_CONFLICT if the mount has paths outside the prefix
 */
export async function changeKeptVersions(
  parts: Parameters<typeof applyDocument>[0] & Mounts,
  call: Call,
  live: LiveOperator,
  { prefix, count }: { readonly prefix: string; readonly count: number | undefined },
): Promise<void> {
  const { mount } = keptVersions(parts, prefix);
  const { name, spec } = mount;
  if (spec.prefix !== prefix) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the mount "${name}" of Quaymaster has paths outside this one; set its options.keepVersions with quaymaster apply`,
    );
  }
  const { keepVersions, ...options } = spec.options;
  const next = count === undefined ? keepVersions : count === 0 ? undefined : count;
  const changed = { ...options, ...(next !== undefined && { keepVersions: next }) };
  const body = next === keepVersions ? mount.body : { ...(mount.body as object), options: changed };
  await applyDocument(parts, call, live, {
    kind: 'mount',
    name,
    body,
    precondition: { ifMatch: documentTag(mount) },
    keepsSame: true,
  });
}
