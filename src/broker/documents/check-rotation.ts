import { BrokerError } from '../../domain/errors.ts';
import { isWithinBounds } from '../../domain/secrets/locator-bounds.ts';
import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import type { RotationTarget } from '../../ports/rotation-target.ts';
import type { Backends } from '../state/dependencies.ts';
import type { StoredDocument } from '../model/document.ts';
import type { EditorScope } from '../access/editor-scope.ts';
import type { BoundTargets } from '../state/rotation-targets.ts';
import { lifetimeProblem, scheduleProblem } from '../model/rotation-times.ts';

/** Target of a definition: its mount, its locator at the backend, and the bound of a scoped editor. */
interface DefinitionTarget {
  readonly mount: StoredDocument<'mount'>;
  readonly locator: string;
  readonly scope: EditorScope | undefined;
}

/**
 * Checks a definition that rotates: its connection exists and allows the path and the target, and its schedule has a next run. No other
 * definition may rotate the same account.
 * @throws ERR_BODY_INVALID with pointers below `/rotation`, ERR_CONFLICT if another definition rotates the same account.
 */
export async function checkRotation(
  parts: Backends,
  definition: StoredDocument<'definition'>,
  { mount, locator, scope }: DefinitionTarget,
): Promise<void> {
  const spec = definition.spec.rotation;
  if (spec === undefined) return;
  if (parts.connections.provider(mount).publishing === undefined) {
    throw wrong('', `the mount "${mount.name}" is read-only, so its secrets cannot rotate`);
  }
  const problem = await scheduleProblem(spec, parts.clock.now());
  if (problem !== undefined) throw wrong(problem.pointer, problem.message);
  const { bound, target } = targetOf(parts, definition, spec);
  scope?.checkTarget(bound, target, locator);
  if (!target.locators.every((place) => isWithinBounds(place, bound.locators))) {
    throw wrong('/options', outOfBounds(bound, target));
  }
  checkSlots(spec, target);
  await checkLifetime(spec, target, { path: definition.name, now: parts.clock.now() });
  if (target.locators.length === 0) return;
  for (const other of parts.catalog.all('definition')) {
    if (other.name === definition.name || other.spec.rotation?.connection !== spec.connection)
      continue;
    if (sharesPlace(parts, other, target)) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `the definition of "${other.name}" already rotates the same account`,
      );
    }
  }
}

function outOfBounds({ connection, locators }: BoundTargets, target: RotationTarget): string {
  const outside = target.locators.filter((place) => !isWithinBounds(place, locators));
  return `connection "${connection.name}" may not change ${outside.join(', ')}: add it to its "locators" in the configuration file`;
}

function targetOf(
  parts: Pick<Backends, 'targets'>,
  definition: StoredDocument<'definition'>,
  spec: RotationSpec,
): { readonly bound: BoundTargets; readonly target: RotationTarget } {
  const bound = parts.targets.find(spec);
  if (bound === undefined) {
    throw wrong(
      '/connection',
      `the configuration file has no connection "${spec.connection ?? ''}" that can rotate`,
    );
  }
  if (!isWithinBounds(definition.name, bound.prefixes)) {
    const pattern = definition.name.replace(/\/[^/]+$/, '/**');
    throw wrong(
      '/connection',
      `the connection may not be used at this path: add a pattern such as "${pattern}" to its "prefixes" in the configuration file`,
    );
  }
  try {
    return { bound, target: bound.connection.target(spec.strategy, spec.options) };
  } catch (error) {
    throw belowRotation(error);
  }
}

/** Refuses options that need two slots if the strategy has one. */
function checkSlots(spec: RotationSpec, { slots, drillable }: RotationTarget): void {
  if (slots === 'one' && spec.retire === 'manual') {
    throw wrong(
      '/retire',
      'this strategy ends the old credential when it sets the new one, so there is nothing to retire',
    );
  }
  if (slots === 'one' && spec.canary !== undefined) {
    throw wrong(
      '/canary',
      'needs a strategy that keeps the old credential working, such as alternating-users',
    );
  }
  if (!drillable && spec.drillEverySeconds !== undefined) {
    throw wrong('/drill', 'this strategy cannot be drilled: a new credential ends the current one');
  }
}

async function checkLifetime(
  spec: RotationSpec,
  { lifetimeSeconds }: RotationTarget,
  place: { readonly path: string; readonly now: number },
): Promise<void> {
  if (lifetimeSeconds === undefined) return;
  const problem = await lifetimeProblem(spec, { ...place, lifetimeSeconds });
  if (problem !== undefined) throw wrong(problem.pointer, problem.message);
}

/** A definition without its connection cannot rotate, so it shares nothing. */
function sharesPlace(
  parts: Pick<Backends, 'targets'>,
  other: StoredDocument<'definition'>,
  { locators }: RotationTarget,
): boolean {
  try {
    return parts.targets.target(other).locators.some((locator) => locators.includes(locator));
  } catch {
    return false;
  }
}

/** Pointers of the connection are relative to `options`, except `/strategy`. */
function belowRotation(error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.problems === undefined) return error;
  const problems = error.problems.map(({ pointer, message }) => ({
    pointer: pointer === '/strategy' ? '/rotation/strategy' : `/rotation/options${pointer}`,
    message,
  }));
  return new BrokerError(error.code, error.detail, { problems });
}

function wrong(pointer: string, message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: `/rotation${pointer}`, message }],
  });
}
