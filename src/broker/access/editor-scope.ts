import { isDeepStrictEqual } from 'node:util';
import type { DefinitionSpec } from '../../domain/secrets/definition.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isSecretPath } from '../../domain/words/names.ts';
import { holdsEverywhere, holdsFor, type Operator } from '../../domain/identity/principal.ts';
import type { RotationTarget } from '../../ports/rotation-target.ts';
import type { SecretProvider } from '../../ports/secret-provider.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { BoundTargets } from '../state/rotation-targets.ts';
import type { StoredDocument } from '../model/document.ts';

/**
 * Limits what a definition of a scoped editor may name. A `ref` is an alias. Without this limit, an editor of `kv/team-a` could
 * read, order or overwrite secrets at `kv/team-b`, although policies deny `kv/team-b`. The check does not depend on existing
 * secrets.
 */
export class EditorScope {
  readonly #operator: Operator;
  readonly #mount: StoredDocument<'mount'>;

  /** Undefined if the editor may name any locator: it has no scope, or the change leaves every locator as it was. */
  static of(
    { operator }: LiveOperator,
    mount: StoredDocument<'mount'>,
    definition: StoredDocument<'definition'>,
    current: StoredDocument<'definition'> | undefined,
  ): EditorScope | undefined {
    if (holdsEverywhere(operator, 'secret-editor')) return undefined;
    if (
      current !== undefined &&
      isDeepStrictEqual(placesOf(current.spec), placesOf(definition.spec))
    )
      return undefined;
    return new EditorScope(operator, mount);
  }

  private constructor(operator: Operator, mount: StoredDocument<'mount'>) {
    this.#operator = operator;
    this.#mount = mount;
  }

  /** @throws ERR_BODY_INVALID with the reason `scope_ref`, unless `ref` names the locator of a path inside the scope. */
  checkRef(provider: SecretProvider, ref: unknown): void {
    if (ref === undefined || this.#holds(this.#mount.spec.prefix)) return;
    const rest = provider.restOf(ref);
    const path = `${this.#mount.spec.prefix}/${rest ?? ''}`;
    if (rest !== undefined && isSecretPath(path) && this.#holds(path)) return;
    throw this.#outside(
      '/ref',
      'must name the place of a path inside your secret-editor scope',
      `a secret-editor for all of "${this.#mount.spec.prefix}"`,
    );
  }

  /**
   * A target has no path. The editor may use it if its scope covers every path that may use the connection. It may also use the
   * definition's own locator.
   * @throws ERR_BODY_INVALID with the reason `scope_ref`.
   */
  checkTarget(bound: BoundTargets, target: RotationTarget, ownPlace: string): void {
    if (target.locators.length === 0) return;
    if (bound.prefixes.every((pattern) => this.#holds(fixedPart(pattern)))) return;
    const isOwn =
      bound.connection.name === this.#mount.spec.connection &&
      target.locators.every((locator) => locator === ownPlace);
    if (isOwn) return;
    throw this.#outside(
      '/rotation/options',
      `the connection "${bound.connection.name}" also serves paths outside your secret-editor scope, so its accounts may belong to others`,
      `a secret-editor for all of its "prefixes"`,
    );
  }

  #holds(path: string): boolean {
    return holdsFor(this.#operator, 'secret-editor', path);
  }

  #outside(pointer: string, what: string, whoMay: string): BrokerError {
    const scopes = this.#operator.grants
      .filter(({ role }) => role === 'secret-editor')
      .flatMap(({ scope }) => scope);
    return new BrokerError('ERR_BODY_INVALID', undefined, {
      reason: 'scope_ref',
      problems: [{ pointer, message: `${what} (${scopes.join(', ')}); ${whoMay} may save it` }],
    });
  }
}

/**
 * Requires an admin to confirm that the accounts of a target belong to the path. Others may keep a confirmation if the locators
 * do not change.
 * @throws ERR_BODY_INVALID with the reason `takeover_unconfirmed`.
 */
export function checkTakeover(
  { operator }: LiveOperator,
  definition: StoredDocument<'definition'>,
  current: StoredDocument<'definition'> | undefined,
): void {
  if (definition.spec.rotation?.takeover === undefined || holdsEverywhere(operator, 'admin'))
    return;
  const isKept = current?.spec.rotation?.takeover !== undefined;
  if (isKept && isDeepStrictEqual(placesOf(current.spec), placesOf(definition.spec))) return;
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    reason: 'takeover_unconfirmed',
    problems: [
      { pointer: '/rotation/takeover', message: 'only an admin may confirm it for this target' },
    ],
  });
}

/** Lists all fields of a definition that decide what is read, issued, written or changed at the backend. */
function placesOf({ ref, class: kind, rotation }: DefinitionSpec): unknown {
  const { connection, strategy, options } = rotation ?? {};
  return { ref, kind, rotates: rotation !== undefined, connection, strategy, options };
}

/** The common start of every path that matches the pattern. */
function fixedPart(pattern: string): string {
  const segments = pattern.split('/');
  const wild = segments.findIndex((segment) => segment === '*' || segment === '**');
  return (wild === -1 ? segments : segments.slice(0, wild)).join('/');
}
