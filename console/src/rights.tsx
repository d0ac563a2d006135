import type { JSX } from 'preact';
import type { Schema } from './client.ts';
import { Lines } from './parts.tsx';

type Grant = Schema<'Grant'>;

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
