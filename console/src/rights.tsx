import { useId } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { OPERATIONS, type OperationId, type Schema } from './client.ts';
import { Lines } from './parts.tsx';
import { session } from './session.ts';

type Grant = Schema<'Grant'>;

/** The roles of which the person lacks one for an operation, at `path` if it concerns one; none if the person has one. The broker decides again. */
function missingRoles(operation: OperationId, path: string | undefined): readonly string[] {
  const [, , ...roles] = OPERATIONS[operation].split(' ');
  const { value } = session;
  const own = value.is === 'signed-in' ? value.own.grants : [];
  const covers = (scope: readonly string[]): boolean =>
    path === undefined ||
    scope.length === 0 ||
    scope.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  const hasOne = own.some(({ role, scope = [] }) => roles.includes(role) && covers(scope));
  return hasOne ? [] : roles;
}

interface PermittedProps {
  readonly operation: OperationId;
  readonly path?: string | undefined;
  readonly type?: 'button' | 'submit';
  readonly isDangerous?: boolean;
  readonly isSmall?: boolean;
  readonly isDisabled?: boolean;
  readonly onClick?: () => void;
  readonly children: ComponentChildren;
}

/** A button of an operation. Without the rights for it, it is unavailable and names the role that is missing. */
export function Permitted({
  operation,
  path,
  type = 'button',
  isDangerous = false,
  isSmall = false,
  isDisabled = false,
  onClick,
  children,
}: PermittedProps): JSX.Element {
  const id = useId();
  const roles = missingRoles(operation, path);
  const isMissing = roles.length > 0;
  return (
    <>
      <button
        type={type}
        class={isDangerous ? 'danger' : isSmall ? 'small' : undefined}
        disabled={isMissing || isDisabled}
        aria-describedby={isMissing ? id : undefined}
        onClick={onClick}
      >
        {children}
      </button>
      {isMissing && (
        <small id={id} class="quiet">
          needs the role {roles.join(' or ')}
          {path !== undefined && ' for this path'}
        </small>
      )}
    </>
  );
}

/** One line for each role and prefix: `secret-reader for payments`. */
function linesOf(grants: readonly Grant[]): readonly string[] {
  return grants.flatMap(({ role, scope = [] }) =>
    scope.length === 0 ? [`${role} for everything`] : scope.map((each) => `${role} for ${each}`),
  );
}

export function Rights({ grants }: { readonly grants: readonly Grant[] }): JSX.Element {
  if (grants.length === 0) return <span class="quiet">none</span>;
  return <Lines items={linesOf(grants)} isPlain />;
}

/** What somebody gains and loses by a change of rights. */
export function RightsDiff({
  before,
  after,
}: {
  readonly before: readonly Grant[];
  readonly after: readonly Grant[];
}): JSX.Element {
  const [old, young] = [linesOf(before), linesOf(after)];
  const lines = [
    ...young.filter((line) => !old.includes(line)).map((line) => ['added', '+', line] as const),
    ...old.filter((line) => !young.includes(line)).map((line) => ['removed', '-', line] as const),
  ];
  if (lines.length === 0) return <p class="quiet">The rights stay the same.</p>;
  return (
    <ul class="diff" aria-label="Rights that change">
      {lines.map(([kind, mark, line]) => (
        <li key={line} class={kind}>
          <span aria-hidden="true">{mark} </span>
          <span class="unseen">{kind}: </span>
          <bdi>{line}</bdi>
        </li>
      ))}
    </ul>
  );
}
