import { BrokerError } from '../../domain/errors.ts';
import { isWithinBounds } from '../../domain/locator-bounds.ts';
import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import type { StoredDocument } from './document.ts';

/** A connection at which credentials rotate, with the places it may change and the broker prefixes whose definitions may use it. */
export interface BoundTargets {
  readonly connection: RotationConnection;
  readonly locators: readonly string[];
  readonly prefixes: readonly string[];
  /** Rotations that are carried on there at the same time; where nothing is changed but the provider: 4. */
  readonly concurrency?: number;
}

/** What a definition rotates when it names no connection: the value itself. */
const GENERATED = 'generated';
const CONCURRENCY = 4;

/** What each definition rotates: made when first used, kept until the definition changes. */
export class RotationTargets {
  readonly #byName: ReadonlyMap<string, BoundTargets>;
  /** By document, as the mounts' providers are: what a refused change proposed must not answer for the next one. */
  readonly #targets = new WeakMap<StoredDocument<'definition'>, RotationTarget>();

  constructor(bound: readonly BoundTargets[]) {
    this.#byName = new Map(bound.map((each) => [each.connection.name, each]));
  }

  find(spec: RotationSpec): BoundTargets | undefined {
    return this.#byName.get(spec.connection ?? GENERATED);
  }

  concurrency(connection: string): number {
    return this.#byName.get(connection)?.concurrency ?? CONCURRENCY;
  }

  /**
   * @throws ERR_CONFLICT when the configuration file no longer has the connection or its bounds leave the target or the path out;
   * ERR_BODY_INVALID with problems, below `rotation`, for a strategy or options that the connection does not know.
   */
  target(definition: StoredDocument<'definition'>): RotationTarget {
    const known = this.#targets.get(definition);
    if (known !== undefined) return known;
    const spec = definition.spec.rotation;
    if (spec === undefined) throw gone('not_rotating', 'this path does not rotate');
    const bound = this.find(spec);
    if (bound === undefined) {
      throw gone(
        'no_connection',
        `the definition names the connection "${spec.connection ?? GENERATED}", which the configuration file does not have: bring it back`,
      );
    }
    if (!isWithinBounds(definition.name, bound.prefixes)) {
      throw gone(
        'out_of_bounds',
        'the connection may not be used under this path; see its "prefixes"',
      );
    }
    const target = bound.connection.target(spec.strategy, spec.options);
    if (!target.locators.every((locator) => isWithinBounds(locator, bound.locators))) {
      throw gone('out_of_bounds', 'the connection may not change this place; see its "locators"');
    }
    this.#targets.set(definition, target);
    return target;
  }
}

function gone(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
