import { useId } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { haveOneOf, neededRoles, type Extent } from '../../src/cli/reports/rights.ts';
import { OPERATIONS, type OperationId, type Schema } from './client.ts';
import { Lines } from './parts.tsx';
import { session } from './session.ts';

type Grant = Schema<'Grant'>;

/** Reports whether the person has one of these roles. The broker judges with the same code, and decides again. */
export function holds(roles: readonly Grant['role'][], extent: Extent): boolean {
  const { value } = session;
  const own = value.is === 'signed-in' ? value.own.grants : [];
  const grants = own.map(({ role, scope = [] }) => ({ role, scope }));
  return haveOneOf(grants, roles, extent);
}

function rolesOf(operation: OperationId): readonly Grant['role'][] {
  return OPERATIONS[operation].split(' ').slice(2) as Grant['role'][];
}

interface PermittedProps {
  readonly operation: OperationId;
  readonly extent?: Extent | undefined;
  /** Another reason for which the broker would refuse. */
  readonly refusal?: string | undefined;
  readonly type?: 'button' | 'submit';
  readonly isDangerous?: boolean;
  readonly isSmall?: boolean;
  readonly isDisabled?: boolean;
  readonly onClick?: () => void;
  readonly children: ComponentChildren;
}

/** A button of an operation. Without the rights for it, it is unavailable and names the role that is missing, in the words of the broker. */
export function Permitted({
  operation,
  extent = 'everywhere',
  refusal: known,
  type = 'button',
  isDangerous = false,
  isSmall = false,
  isDisabled = false,
  onClick,
  children,
}: PermittedProps): JSX.Element {
  const id = useId();
  const roles = rolesOf(operation);
  const ofPath = typeof extent === 'object' ? ' for this path' : '';
  const missing =
    roles.length === 0 || holds(roles, extent) ? undefined : `${neededRoles(roles)}${ofPath}`;
  const refusal = known ?? missing;
  return (
    <>
      <button
        type={type}
        class={isDangerous ? 'danger' : isSmall ? 'small' : undefined}
        disabled={refusal !== undefined || isDisabled}
        aria-describedby={refusal === undefined ? undefined : id}
        onClick={onClick}
      >
        {children}
      </button>
      {refusal !== undefined && (
        <small id={id} class="quiet">
          {refusal}
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
