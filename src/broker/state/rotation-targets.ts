import { BrokerError } from '../../domain/errors.ts';
import { isWithinBounds } from '../../domain/secrets/locator-bounds.ts';
import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import type { RotationConnection, RotationTarget } from '../../ports/rotation-target.ts';
import type { StoredDocument } from '../model/document.ts';

/** A connection that rotates credentials, with the locators it may change and the path prefixes whose definitions may use it. */
export interface BoundTargets {
  readonly connection: RotationConnection;
  readonly locators: readonly string[];
  readonly prefixes: readonly string[];
  /** The most rotations at the same time; 4 by default, for connections that change only the provider. */
  readonly concurrency?: number;
}

/** The connection of a definition that names none: it generates the value itself. */
const GENERATED = 'generated';
const CONCURRENCY = 4;

/** The target of each definition: created at its first use, kept until the definition changes. */
export class RotationTargets {
  #byName: ReadonlyMap<string, BoundTargets> = new Map();
  /** Targets, keyed by document, like the providers of mounts: the target of a refused change must not serve the next change. */
  #targets = new WeakMap<StoredDocument<'definition'>, RotationTarget>();

  constructor(bound: readonly BoundTargets[]) {
    this.replace(bound);
  }

  /** Rotates at these connections from now on. A step in progress finishes at its own. */
  replace(bound: readonly BoundTargets[]): void {
    this.#byName = new Map(bound.map((each) => [each.connection.name, each]));
    this.#targets = new WeakMap();
  }

  find(spec: RotationSpec): BoundTargets | undefined {
    return this.#byName.get(spec.connection ?? GENERATED);
  }

  concurrency(connection: string): number {
    return this.#byName.get(connection)?.concurrency ?? CONCURRENCY;
  }

  /**
   * @throws ERR_CONFLICT if the configuration file no longer has the connection, or its bounds exclude the target or the path;
   * ERR_BODY_INVALID with problems below `rotation` for a strategy or options that the connection does not know.
   */
  target(definition: StoredDocument<'definition'>): RotationTarget {
    const known = this.#targets.get(definition);
    if (known !== undefined) return known;
    const spec = definition.spec.rotation;
    if (spec === undefined) throw conflict('not_rotating', 'this path does not rotate');
    const bound = this.find(spec);
    if (bound === undefined) {
      throw conflict(
        'no_connection',
        `the configuration file has no connection "${spec.connection ?? GENERATED}", which the definition names: add it again`,
      );
    }
    if (!isWithinBounds(definition.name, bound.prefixes)) {
      throw conflict(
        'out_of_bounds',
        `connection "${bound.connection.name}" may not be used at "${definition.name}": see its "prefixes" in the configuration file`,
      );
    }
    const target = bound.connection.target(spec.strategy, spec.options);
    if (!target.locators.every((locator) => isWithinBounds(locator, bound.locators))) {
      throw conflict(
        'out_of_bounds',
        `connection "${bound.connection.name}" may not change ${target.locators.join(', ')}: see its "locators" in the configuration file`,
      );
    }
    this.#targets.set(definition, target);
    return target;
  }
}

function conflict(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
