import { isDeepStrictEqual } from 'node:util';
import { loadKeyless, TrustRoot } from '../../crypto/signatures/keyless-signature.ts';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { coversOverlap, isWithinBounds } from '../../domain/secrets/locator-bounds.ts';
import type { MountSpec } from '../../domain/secrets/mount.ts';
import type { Backends, People, Rights, Storage } from '../state/dependencies.ts';
import { UNREVOKED } from '../kernel/credential-states.ts';
import { absentNames, nestingText, NO_MOUNT } from './absent-names.ts';
import { checkRotation } from './check-rotation.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { StoredDocument } from '../model/document.ts';
import { checkTakeover, EditorScope } from '../access/editor-scope.ts';
import { CREDENTIALS, ROTATIONS } from '../../ports/queries.ts';

const UNDER_WAY = ['running', 'parked', 'undoing'] as const;

/**
 * Checks that everything that a document names exists, and that the document does not conflict with others.
 * @throws ERR_BODY_INVALID with the field, ERR_CONFLICT for mounts that nest or reach the same place at a backend.
 */
export async function checkReferences(
  parts: Storage & Rights & Backends & People,
  document: StoredDocument,
  current: StoredDocument | undefined,
  editor: LiveOperator,
): Promise<void> {
  if (document.kind === 'mount') {
    const mount = document as StoredDocument<'mount'>;
    checkMount(parts, mount);
    if (current !== undefined && leadsElsewhere(mount, current as StoredDocument<'mount'>))
      await checkUnused(parts, current);
  } else if (document.kind === 'cluster')
    checkCluster(parts, document as StoredDocument<'cluster'>);
  else if (document.kind === 'role-binding') {
    const problems = absentNames(parts, document);
    if (problems.length > 0) throw wrong(...problems);
  } else if (document.kind === 'posture-profile') {
    await checkTrustRoots(document as StoredDocument<'posture-profile'>);
  } else if (document.kind === 'definition') {
    await checkDefinition(parts, {
      definition: document as StoredDocument<'definition'>,
      current: current as StoredDocument<'definition'> | undefined,
      editor,
    });
  }
}

/** A root that does not parse would trust no signer, and an operator would notice it only when pods lose their secrets. */
async function checkTrustRoots({ spec }: StoredDocument<'posture-profile'>): Promise<void> {
  const roots = Object.entries(spec.image.trustRoots);
  if (roots.length > 0) await loadKeyless();
  for (const [name, json] of roots) {
    try {
      new TrustRoot(json);
    } catch {
      throw wrong({
        pointer: `/image/trustRoots/${name}`,
        message:
          'must be a trusted_root.json with certificate authorities, logs of certificates and transparency logs',
      });
    }
  }
}

function checkMount(parts: Rights & Backends & People, mount: StoredDocument<'mount'>): void {
  const { spec, name } = mount;
  const bound = parts.connections.find(spec.connection);
  if (bound === undefined) throw wrong(...absentNames(parts, mount));
  if (!isWithinBounds(spec.prefix, bound.prefixes)) {
    throw wrong({
      pointer: '/prefix',
      message: `the connection may not be used at this prefix: its "prefixes" in the configuration would need "${spec.prefix}"`,
    });
  }
  const nesting = nestingText(parts.catalog.mounts.nesting(name, spec.prefix));
  if (nesting !== undefined) throw new BrokerError('ERR_CONFLICT', nesting);
  const own = placesOf(parts, mount);
  if (!parts.connections.reaches(mount)) {
    throw wrong({
      pointer: '/options',
      message: `connection "${spec.connection}": ${own} is outside its locators (${bound.locators.join(', ')})`,
    });
  }
  for (const other of parts.catalog.mounts.all()) {
    if (other.name === name || !sameConnection(other.spec, spec)) continue;
    if (coversOverlap(own, parts.connections.provider(other).covers)) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `it reaches the same place as the mount "${other.name}"`,
      );
    }
  }
}

/** The provider's problems are relative to the options. @throws ERR_BODY_INVALID */
function placesOf(
  { connections }: Pick<Backends, 'connections'>,
  mount: StoredDocument<'mount'>,
): string {
  try {
    return connections.provider(mount).covers;
  } catch (error) {
    if (!(error instanceof BrokerError) || error.problems === undefined) throw error;
    const problems = error.problems.map(({ pointer, message }) => ({
      pointer: `/options${pointer}`,
      message,
    }));
    throw new BrokerError(error.code, error.detail, { problems });
  }
}

function sameConnection(left: MountSpec, right: MountSpec): boolean {
  return left.connection === right.connection;
}

/** Reports whether the changed mount would search for existing credentials of the mount at another locator. */
function leadsElsewhere({ spec }: StoredDocument<'mount'>, was: StoredDocument<'mount'>): boolean {
  const before = was.spec;
  return spec.connection !== before.connection || !isDeepStrictEqual(spec.options, before.options);
}

function checkCluster(parts: Pick<Rights, 'clusters'>, { spec }: StoredDocument<'cluster'>): void {
  const problem = parts.clusters.problem(spec);
  if (problem !== undefined) throw wrong({ pointer: '/connection', message: problem });
}

interface DefinitionChange {
  readonly definition: StoredDocument<'definition'>;
  readonly current: StoredDocument<'definition'> | undefined;
  readonly editor: LiveOperator;
}

async function checkDefinition(
  parts: Backends,
  { definition, current, editor }: DefinitionChange,
): Promise<void> {
  const mount = parts.catalog.mounts.find(definition.name);
  if (mount === undefined) {
    throw new BrokerError('ERR_CONFLICT', NO_MOUNT);
  }
  const provider = parts.connections.provider(mount);
  const scope = EditorScope.of(editor, mount, definition, current);
  scope?.checkRef(provider, definition.spec.ref);
  checkTakeover(editor, definition, current);
  if (definition.spec.class === 'dynamic' && provider.credentials === undefined) {
    throw wrong({
      pointer: '/class',
      message: `the mount "${mount.name}" issues no dynamic credentials`,
    });
  }
  const locator = ownLocator(parts, mount, definition);
  await checkRotation(parts, definition, { mount, locator, scope });
}

function ownLocator(
  parts: Pick<Backends, 'connections'>,
  mount: StoredDocument<'mount'>,
  { name, spec }: StoredDocument<'definition'>,
): string {
  try {
    return parts.connections.locate(mount, name, spec.ref);
  } catch (error) {
    throw outOfBounds(error);
  }
}

/** A reader is only denied; an editor of the definition learns which field to change, and where. */
function outOfBounds(error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.reason !== 'out_of_bounds') return error;
  return wrong({
    pointer: '/ref',
    message:
      'the connection may not touch this place at its backend; see its "locators" in the configuration',
  });
}

/**
 * Revocation reaches the backend through the mount, so the mount must stay while credentials issued through it are live.
 * @throws ERR_CONFLICT
 */
export async function checkUnused(
  parts: Pick<Storage, 'store'>,
  document: StoredDocument,
): Promise<void> {
  if (document.kind !== 'mount') return;
  for (const state of UNDER_WAY) {
    const count = await parts.store.count(ROTATIONS.ofMount(document.uid, state));
    if (count > 0) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `${count} rotations of its paths are ${state}: wait for their end, or abort them`,
      );
    }
  }
  for (const state of UNREVOKED) {
    const count = await parts.store.count(CREDENTIALS.ofMount(document.uid, state));
    if (count > 0) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `${count} credentials made through it are ${state}; revoke them first (POST /leases:revoke by mount)`,
      );
    }
  }
}

function wrong(...problems: readonly Problem[]): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, { problems });
}
