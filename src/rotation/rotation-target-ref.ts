import type { StoredDocument } from '../broker/model/document.ts';
import type { Backends, Keys } from '../broker/state/dependencies.ts';
import { BrokerError } from '../domain/errors.ts';
import type { RotationTraits } from '../domain/rotation/rotation-progress.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { SecretData, SecretVersion } from '../domain/secrets/secret.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { RotationTarget } from '../ports/rotation-target.ts';
import type { SecretProvider, SecretPublishing } from '../ports/secret-provider.ts';
import { openSlot, type RotationRow } from './rotation-row.ts';

/** The mount, provider and target of a rotation, by the present documents and configuration. */
export interface RotationTargetRef {
  readonly spec: RotationSpec;
  readonly definition: StoredDocument<'definition'>;
  readonly mount: StoredDocument<'mount'>;
  readonly provider: SecretProvider;
  readonly publishing: SecretPublishing;
  readonly locator: string;
  readonly target: RotationTarget;
}

/**
 * @throws ERR_CONFLICT if the path does not rotate, or its definition or mount is not the one the rotation began with; ERR_DENIED if the bounds exclude
 * the path; as `RotationTargets.target`.
 */
export function rotationTargetRef(
  parts: Backends,
  path: string,
  begun?: Pick<RotationRow, 'definition_uid' | 'mount_uid'>,
): RotationTargetRef {
  const definition = parts.catalog.find('definition', path);
  const spec = definition?.spec.rotation;
  if (definition === undefined || spec === undefined) throw conflict('not_rotating');
  if (begun !== undefined && begun.definition_uid !== definition.uid)
    throw conflict('other_definition');
  const mount = parts.catalog.mounts.find(path);
  if (mount === undefined || (begun !== undefined && begun.mount_uid !== mount.uid))
    throw conflict('other_mount');
  const provider = parts.connections.provider(mount);
  const { publishing } = provider;
  if (publishing === undefined) throw conflict('read_only');
  const locator = parts.connections.locate(mount, path, definition.spec.ref);
  const target = parts.targets.target(definition);
  return { spec, definition, mount, provider, publishing, locator, target };
}

const WHY = {
  not_rotating: 'this path does not rotate: its definition has no "rotation"',
  other_definition: 'the definition was replaced since the rotation began',
  other_mount: 'the mount was replaced since the rotation began',
  read_only: 'the mount is read-only',
} as const;

function conflict(reason: keyof typeof WHY): BrokerError {
  return new BrokerError('ERR_CONFLICT', WHY[reason], { reason });
}

/** The traits that decide the next state. Without a target they are enough for failures: the target itself may be missing. */
export function traitsOf(
  row: RotationRow,
  place: Pick<RotationTargetRef, 'spec' | 'target'> | undefined,
): RotationTraits {
  const slots = place?.target.slots ?? 'one';
  return {
    kind: row.kind,
    slots,
    canary: place?.spec.canary !== undefined && slots === 'two' && row.cause !== 'incident',
    hasPrevious: row.previous !== null,
    hasPending: row.pending !== null,
    wasPromoted: row.promoted_at !== null,
  };
}

/** The current value at the provider; undefined if there is none. @throws ERR_PROVIDER_* */
export async function currentValue(
  { provider, locator }: Pick<RotationTargetRef, 'provider' | 'locator'>,
  context: CallContext,
): Promise<SecretVersion | undefined> {
  try {
    return await provider.read(locator, undefined, context);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Result of a test whether the target accepts a value: `absent` if there is no value, `unknown` if the target could not be reached. */
type Probe = 'accepted' | 'refused' | 'absent' | 'unknown';

/** Results for each stored value at the target. */
export interface TargetState {
  readonly current: Probe;
  readonly pending: Probe;
}

/** Tests the stored values of a parked rotation at its target. */
export async function probeTarget(
  parts: Backends & Keys,
  row: RotationRow,
  context: CallContext,
): Promise<TargetState> {
  const probe = async (
    find: (place: RotationTargetRef) => Promise<SecretData | undefined>,
  ): Promise<Probe> => {
    try {
      const place = rotationTargetRef(parts, row.path, row);
      const data = await find(place);
      if (data === undefined) return 'absent';
      return (await place.target.test(data, context)).accepted ? 'accepted' : 'refused';
    } catch (error) {
      parts.log.warn(
        { err: error, rotation: row.id, connection: row.connection },
        'could not test the credentials of a parked rotation at its target',
      );
      return 'unknown';
    }
  };
  return {
    current: await probe(async (place) => (await currentValue(place, context))?.data),
    pending: await probe(() => Promise.resolve(openSlot(parts, row, 'pending'))),
  };
}
