import type { JSX } from 'preact';
import type { Schema } from '../client.ts';
import { count } from '../format.ts';

type Secret = Schema<'IncidentSecret'>;

const ROW = 28;
/** Columns: the subject, the secrets, and their other readers. */
const COLUMNS = [8, 300, 640] as const;
const WIDTH = 960;
/** Characters that fit in a column. */
const FITS = 36;
/** A graph with more nodes in a column is a knot: the table has all of them. */
const MOST = 14;

interface Reader {
  readonly id: string;
  readonly text: string;
}

interface Node {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly kind: 'subject' | 'secret' | 'reader';
}

/** Who could have what: the subject, the secrets that it read, and who else read those. The table below says the same. */
export function Exposure({
  subject,
  secrets,
}: {
  readonly subject: string;
  readonly secrets: readonly Secret[];
}): JSX.Element | null {
  if (secrets.length === 0) return null;
  const shown = secrets.slice(0, MOST);
  const all = new Map(shown.flatMap((secret) => readersOf(secret).map((each) => [each.id, each])));
  const readers = [...all.values()].slice(0, MOST);
  const rows = Math.max(shown.length, readers.length) + 1;
  const root: Node = { text: subject, x: COLUMNS[0], y: yOf(0, 1, rows), kind: 'subject' };
  const secretNodes = shown.map(({ path }, index): Node => ({
    text: path,
    x: COLUMNS[1],
    y: yOf(index, shown.length, rows),
    kind: 'secret',
  }));
  const readerNodes = readers.map(({ text }, index): Node => ({
    text,
    x: COLUMNS[2],
    y: yOf(index, readers.length, rows),
    kind: 'reader',
  }));
  const lines = shown.flatMap((secret, index) => [
    [root, secretNodes[index]] as const,
    ...readersOf(secret).map(({ id }) => {
      const at = readers.findIndex((each) => each.id === id);
      return [secretNodes[index], readerNodes[at]] as const;
    }),
  ]);
  const left = [
    ...(secrets.length > MOST ? [count(secrets.length - MOST, 'further secret')] : []),
    ...(all.size > MOST ? [count(all.size - MOST, 'further reader')] : []),
  ];
  return (
    <figure class="exposure">
      <svg
        viewBox={`0 0 ${WIDTH} ${rows * ROW}`}
        role="img"
        aria-label={`${subject} read ${count(secrets.length, 'secret')}, which ${count(all.size, 'other reader')} also read. The table below names them.`}
      >
        {lines.map(([from, to], index) =>
          from === undefined || to === undefined ? null : (
            <path key={index} class="edge" d={curve(from, to)} />
          ),
        )}
        {[root, ...secretNodes, ...readerNodes].map(({ text, x, y, kind }) => (
          <g key={`${kind} ${y}`} class={kind}>
            <title>{text}</title>
            <circle cx={x} cy={y} r={4} />
            <text x={x + 10} y={y + 4}>
              {shortened(text)}
            </text>
          </g>
        ))}
      </svg>
      {left.length > 0 && <figcaption class="quiet">Not drawn: {left.join(', ')}.</figcaption>}
    </figure>
  );
}

/** The other readers of a secret by name, and its other pods by number. */
function readersOf({ path, otherReaders, otherPods }: Secret): readonly Reader[] {
  const named = otherReaders.map((name) => ({ id: name, text: name }));
  if (otherPods === 0) return named;
  return [...named, { id: `pods ${path}`, text: count(otherPods, 'other pod') }];
}

/** Spreads the nodes of a column over the height. */
function yOf(index: number, of: number, rows: number): number {
  return ((index + 0.5) * rows * ROW) / of;
}

/** The beginning of a long name of a workload is the same for all, so its end is shown. */
function shortened(text: string): string {
  return text.length <= FITS ? text : `…${text.slice(1 - FITS)}`;
}

/** Lines begin behind the text of a node. */
function curve(from: Node, to: Node): string {
  const start = from.x + 16 + Math.min(from.text.length, FITS) * 7;
  const middle = (start + to.x) / 2;
  return `M${start} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x - 8} ${to.y}`;
}
