import { isDeepStrictEqual } from 'node:util';
import { RESPONSE_ACTIONS } from '../../domain/alerts/response-rule.ts';
import type { ClusterSpec } from '../../domain/identity/cluster.ts';
import { deniesMany, widenedGrants, compilePolicy } from '../../domain/policy/index.ts';
import type { AccessPolicy, CompiledPolicy } from '../../domain/policy/index.ts';
import type { PostureProfileSpec } from '../../domain/posture/profile.ts';
import type { Decoy, DefinitionSpec } from '../../domain/secrets/definition.ts';
import type { MountSpec } from '../../domain/secrets/mount.ts';
import type { StoredDocument } from './document.ts';
import type { DocumentKind, DocumentSpecs } from './kinds.ts';

/** The part of a document that its effects depend on. */
export type RatedDocument<K extends DocumentKind = DocumentKind> = Pick<
  StoredDocument<K>,
  'kind' | 'name' | 'spec'
>;

type Rating<T> = (before: T | undefined, after: T | undefined) => boolean;

/**
 * Reports whether a change of a document may give access, or lift a protection. Undefined stands for an absent document. What this function cannot
 * compare counts as wider, so a new field of a document is safe before it is known here.
 */
export function isWider(
  before: RatedDocument | undefined,
  after: RatedDocument | undefined,
): boolean {
  return rate(WIDER, before, after);
}

/** Reports whether a change of a document may cut off many workloads. A change that cuts off one workload, or one path, must work at once. */
export function mayStopMany(
  before: RatedDocument | undefined,
  after: RatedDocument | undefined,
): boolean {
  return rate(STOPPING, before, after);
}

type Ratings = { readonly [K in DocumentKind]: Rating<DocumentSpecs[K]> };

function rate(
  ratings: Ratings,
  before: RatedDocument | undefined,
  after: RatedDocument | undefined,
): boolean {
  const kind = (after ?? before)?.kind;
  if (kind === undefined) return false;
  return (ratings[kind] as Rating<unknown>)(before?.spec, after?.spec);
}

const WIDER: Ratings = {
  policy: (before, after) => widenedGrants(compiled(before), compiled(after)).length > 0,
  cluster: isWiderCluster,
  mount: isWiderMount,
  definition: isWiderDefinition,
  // Operations on these need a recent login whatever they change.
  operator: () => true,
  'role-binding': () => true,
  'posture-profile': isWeakerProfile,
  // The first rule that matches decides, so every new or changed rule can take the place of a stronger one.
  'response-rule': (before, after) => !isSameText(before, after),
};

const STOPPING: Ratings = {
  policy: (before, after) => deniesMany(compiled(before), compiled(after)),
  cluster: () => false,
  mount: () => false,
  definition: () => false,
  operator: () => false,
  'role-binding': () => false,
  'posture-profile': (before, after) => isEnforced(after) && !isEnforced(before),
  'response-rule': () => false,
};

function compiled(policy: AccessPolicy | undefined): CompiledPolicy | undefined {
  return policy && compilePolicy({ name: policy.metadata.name, version: 0, policy });
}

/** Compares two documents without their descriptions. */
function isSameText(before: object | undefined, after: object | undefined): boolean {
  return isDeepStrictEqual(
    before && { ...before, description: undefined },
    after && { ...after, description: undefined },
  );
}

function isWiderCluster(before: ClusterSpec | undefined, after: ClusterSpec | undefined): boolean {
  if (after === undefined) return false;
  if (before === undefined) return true;
  if (before.type === 'spiffe' || after.type === 'spiffe') return !isDeepStrictEqual(before, after);
  const { maxTokenLifetimeSeconds, audiences } = after;
  const isShorter = maxTokenLifetimeSeconds <= before.maxTokenLifetimeSeconds;
  const isWithin = audiences.every((audience) => before.audiences.includes(audience));
  const { maxTokenLifetimeSeconds: longest, audiences: all } = before;
  const same = { ...after, maxTokenLifetimeSeconds: longest, audiences: all };
  return !isShorter || !isWithin || !isDeepStrictEqual(before, same);
}

function isWiderMount(before: MountSpec | undefined, after: MountSpec | undefined): boolean {
  if (after === undefined) return false;
  if (before === undefined) return true;
  const TIMES = ['leaseTtlSeconds', 'cacheTtlSeconds', 'staleIfErrorSeconds'] as const;
  const isShorter = TIMES.every((time) => after[time] <= before[time]);
  const { leaseTtlSeconds, cacheTtlSeconds, staleIfErrorSeconds } = before;
  const same = { ...after, leaseTtlSeconds, cacheTtlSeconds, staleIfErrorSeconds };
  return !isShorter || !isDeepStrictEqual(before, same);
}

function isWiderDefinition(
  before: DefinitionSpec = { class: 'static' },
  after: DefinitionSpec | undefined,
): boolean {
  const { decoy, rotation, ...rest } = before;
  // Without its definition, a path has what its mount gives it: only its protections are lost.
  if (after === undefined) return decoy !== undefined || rotation !== undefined;
  const { decoy: newDecoy, rotation: newRotation, ...newRest } = after;
  return (
    !isSameText(rest, newRest) ||
    !isDecoyKept(decoy, newDecoy) ||
    (rotation !== undefined && !isDeepStrictEqual(rotation, newRotation))
  );
}

function isDecoyKept(before: Decoy | undefined, after: Decoy | undefined): boolean {
  if (before === undefined) return true;
  if (after === undefined) return false;
  const strength = ({ action }: Decoy): number => RESPONSE_ACTIONS.indexOf(action);
  return (
    strength(after) >= strength(before) && (after.scope === 'workload' || before.scope === 'pod')
  );
}

function isEnforced(profile: PostureProfileSpec | undefined): boolean {
  return profile?.mode === 'enforce';
}

/** A profile that does not refuse protects nothing. An enforced one may deny more digests and keys: a stolen key must be denied at once. */
function isWeakerProfile(
  before: PostureProfileSpec | undefined,
  after: PostureProfileSpec | undefined,
): boolean {
  if (before === undefined || !isEnforced(before)) return false;
  if (after === undefined) return true;
  const { deniedDigests, deniedKeys } = before.image;
  const isKept =
    deniedDigests.every((digest) => after.image.deniedDigests.includes(digest)) &&
    deniedKeys.every((key) => after.image.deniedKeys.includes(key));
  const same = { ...after, image: { ...after.image, deniedDigests, deniedKeys } };
  return !isKept || !isSameText(before, same);
}
