import { BrokerError } from '../../domain/errors.ts';
import { isWithinBounds } from '../../domain/locator-bounds.ts';
import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import type { RotationTarget } from '../../ports/rotation-target.ts';
import type { Parts } from '../parts.ts';
import type { StoredDocument } from './document.ts';
import type { EditorScope } from './editor-scope.ts';
import type { BoundTargets } from './rotation-targets.ts';
import { lifetimeProblem, scheduleProblem } from './rotation-times.ts';

/** Where a definition is saved: its mount, its own place at the backend, and the bound of a scoped editor. */
interface DefinitionPlace {
  readonly mount: StoredDocument<'mount'>;
  readonly locator: string;
  readonly scope: EditorScope | undefined;
}

/**
 * What a definition that rotates names must be there and within the bounds, its schedule must come, and no other definition may rotate the
 * same place.
 * @throws ERR_BODY_INVALID with pointers below `/rotation`, ERR_CONFLICT for a place that another definition rotates.
 */
export async function checkRotation(
  parts: Parts,
  definition: StoredDocument<'definition'>,
  { mount, locator, scope }: DefinitionPlace,
): Promise<void> {
  const spec = definition.spec.rotation;
  if (spec === undefined) return;
  if (parts.connections.provider(mount).publishing === undefined) {
    throw wrong('', `the mount "${mount.name}" cannot be written, so nothing can rotate there`);
  }
  const problem = await scheduleProblem(spec, parts.clock.now());
  if (problem !== undefined) throw wrong(problem.pointer, problem.message);
  const { bound, target } = targetOf(parts, definition, spec);
  scope?.checkTarget(bound, target, locator);
  if (!target.locators.every((place) => isWithinBounds(place, bound.locators))) {
    throw wrong(
      '/options',
      'the connection may not change this place; see its "locators" in the configuration',
    );
  }
  checkSense(spec, target);
  await checkLifetime(spec, target, { path: definition.name, now: parts.clock.now() });
  if (target.locators.length === 0) return;
  for (const other of parts.catalog.all('definition')) {
    if (other.name === definition.name || other.spec.rotation?.connection !== spec.connection)
      continue;
    if (sharesPlace(parts, other, target)) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `it rotates the same place as the definition of "${other.name}"`,
      );
    }
  }
}

function targetOf(
  parts: Parts,
  definition: StoredDocument<'definition'>,
  spec: RotationSpec,
): { readonly bound: BoundTargets; readonly target: RotationTarget } {
  const bound = parts.targets.find(spec);
  if (bound === undefined) {
    throw wrong('/connection', 'no connection of this name in the configuration file rotates');
  }
  if (!isWithinBounds(definition.name, bound.prefixes)) {
    const pattern = definition.name.replace(/\/[^/]+$/, '/**');
    throw wrong(
      '/connection',
      `the connection may not be used at this path: its "prefixes" in the configuration would need a pattern such as "${pattern}"`,
    );
  }
  try {
    return { bound, target: bound.connection.target(spec.strategy, spec.options) };
  } catch (error) {
    throw belowRotation(error);
  }
}

/** What only two slots make possible is refused where there is one. */
function checkSense(spec: RotationSpec, { slots, drillable }: RotationTarget): void {
  if (slots === 'one' && spec.retire === 'manual') {
    throw wrong(
      '/retire',
      'the old credential ends when the new one is set: nothing is left to retire',
    );
  }
  if (slots === 'one' && spec.canary !== undefined) {
    throw wrong('/canary', 'needs a strategy whose old credential goes on working');
  }
  if (!drillable && spec.drillEverySeconds !== undefined) {
    throw wrong('/drill', 'this strategy cannot be tried without ending the current credential');
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

/** One whose connection is gone shares nothing: it cannot rotate. */
function sharesPlace(
  parts: Parts,
  other: StoredDocument<'definition'>,
  { locators }: RotationTarget,
): boolean {
  try {
    return parts.targets.target(other).locators.some((locator) => locators.includes(locator));
  } catch {
    return false;
  }
}

/** The connection's pointers are relative to `options`, but for the strategy's own. */
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
