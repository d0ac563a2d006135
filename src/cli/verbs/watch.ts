import type { components } from '../../client/index.ts';
import type { Broker } from '../connection/broker.ts';
import { printable, printableText } from '../output/printable.ts';
import { table } from '../output/table.ts';
import type { CliContext } from '../connection/context.ts';
import { entryCells } from './audit-entry.ts';
import { entriesSince, firstEntries, type Tail } from './audit-tail.ts';

type Found = components['schemas']['AuditEntry'];

/** A poll is one search for each kind of event and one list of leases: five requests, and as many entries of the log. */
const POLL_MS = 5_000;
const MOST_LEASES = 1_000;
const MOST_HELD = 8;
/** Filters of the log by the name of the event. */
const KINDS = {
  login: { action: 'session.create', outcome: 'ok' },
  refusal: { outcome: 'deny' },
  rotating: { action: 'rotation.start' },
  rotated: { action: 'rotation.end' },
} as const;
type Kind = keyof typeof KINDS;

interface Seen {
  readonly kind: Kind;
  readonly found: Found;
}

/** Live leases of one path. */
interface Held {
  readonly path: string;
  readonly leases: number;
}

/** Shows logins, refusals, rotations and holders until it is interrupted: one screen on a terminal, otherwise a line for each change. */
export async function runWatch(context: CliContext): Promise<void> {
  const { output, clock, signal, environment } = context;
  const broker = await context.broker();
  const tails = Object.entries(KINDS).map(([kind, query]) => ({
    kind: kind as Kind,
    tail: { broker, query, own: new Set<string>(), last: -1 } satisfies Tail,
  }));
  const isScreen =
    output.isTerminal && output.format === 'table' && environment.inherited['TERM'] !== 'dumb';
  const show = isScreen ? await openScreen(context) : lines(context);
  try {
    for (let load = firstEntries; ; load = entriesSince) {
      const loaded = await Promise.all(
        tails.map(async ({ kind, tail }) =>
          (await load(tail)).map((found): Seen => ({ kind, found })),
        ),
      );
      const seen = loaded.flat().sort((a, b) => a.found.index - b.found.index);
      await show(seen, await listHeld(broker));
      await clock.sleep(POLL_MS, signal);
    }
  } finally {
    if (isScreen) await output.raw(LEAVE);
  }
}

type Show = (seen: readonly Seen[], held: readonly Held[]) => Promise<void>;

/** The paths with the most live leases among the newest ones. */
async function listHeld(broker: Broker): Promise<readonly Held[]> {
  const query = { state: 'live' as const, limit: MOST_LEASES };
  const { body } = await broker.call('listLeases', { query });
  const counts = new Map<string, number>();
  for (const { path } of body.items) counts.set(path, (counts.get(path) ?? 0) + 1);
  return [...counts]
    .map(([path, leases]) => ({ path, leases }))
    .sort((a, b) => b.leases - a.leases || a.path.localeCompare(b.path));
}

function lines({ output }: CliContext): Show {
  let before = new Map<string, number>();
  return async (seen, held) => {
    for (const { kind, found } of seen) {
      await output.item({ event: kind, ...found }, () =>
        [kind.padEnd(8), ...cellsOf(found)].map(printable).join('  ').trimEnd(),
      );
    }
    const now = new Map(held.map(({ path, leases }) => [path, leases]));
    for (const path of [...before.keys()].filter((each) => !now.has(each))) now.set(path, 0);
    for (const [path, leases] of now) {
      if (before.get(path) === leases) continue;
      await output.item({ event: 'holders', path, leases }, () =>
        printable(`holders   ${path}  ${leases}`),
      );
    }
    before = new Map([...now].filter(([, leases]) => leases > 0));
  };
}

/** Control sequences of a terminal (ECMA-48, xterm): another screen without a cursor, and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const CLEAR = '\u001b[H\u001b[2J';

async function openScreen({ output, clock, target }: CliContext): Promise<Show> {
  const { url } = (await target()).profile;
  await output.raw(ENTER);
  let kept: readonly Seen[] = [];
  return async (seen, held) => {
    const { rows, columns } = output.size;
    kept = [...seen.toReversed(), ...kept].slice(0, rows);
    const shown = held.slice(0, MOST_HELD).map(({ path, leases }) => [path, leases]);
    const head = `${url}   ${new Date(clock.now()).toISOString().slice(11, 19)} UTC   Ctrl-C ends`;
    const below = table(['path', 'live leases'], shown).split('\n');
    const events = table(
      ['time', 'event', 'who', 'what', 'outcome', 'action'],
      kept.map(({ kind, found }) => {
        const [time, who, action, outcome, what] = cellsOf(found);
        return [time?.slice(11, 19), kind, who, what, outcome, action];
      }),
    ).split('\n');
    const room = Math.max(2, rows - below.length - 4);
    const text = [head, '', ...below, '', ...events.slice(0, room)]
      .map((line) => line.slice(0, columns))
      .join('\r\n');
    await output.raw(
      `${CLEAR}${printableText(text.replaceAll('\r', '')).replaceAll('\n', '\r\n')}`,
    );
  };
}

/** Time, caller, action, outcome with the reason, and subject. */
function cellsOf(found: Found): readonly string[] {
  const [, time, who, action, outcome, reason, what] = entryCells(found).map((value) =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : '-',
  );
  const ended = reason === undefined || reason === '-' ? outcome : `${outcome ?? ''} ${reason}`;
  return [time?.replace(/\.\d+Z$/, 'Z'), who, action, ended, what].map((value) => value ?? '-');
}
