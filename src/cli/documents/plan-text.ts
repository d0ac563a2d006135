import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import type { Difference } from './difference.ts';
import type { LocatedDocument } from './read-files.ts';
import type { Change, DocumentPlan } from './plan.ts';

const LONGEST = 60;

/** The plan for people: one line for each document, and below it the differences. */
export function planText({ changes, unchanged }: DocumentPlan): string {
  const count = (action: Change['action']): number =>
    changes.filter((each) => each.action === action).length;
  const sum = `${count('create')} to create, ${count('change')} to change, ${count('delete')} to delete, ${unchanged} unchanged`;
  return [...changes.flatMap(changeLines), sum].join('\n');
}

/** The plan for machines. */
export function planJson({ changes, unchanged }: DocumentPlan): object {
  const items = changes.map((change) => ({
    action: change.action,
    kind: change.kind.kind,
    name: change.name,
    ...('manifest' in change && { file: change.manifest.source.file }),
    ...(change.action === 'change' && { differences: change.differences }),
  }));
  return { items, unchanged };
}

export function changeName({ kind, name }: Pick<Change, 'kind' | 'name'>): string {
  return `${kind.word} ${printable(name)}`;
}

function changeLines(change: Change): readonly string[] {
  const name = changeName(change);
  switch (change.action) {
    case 'create':
      return [coloured('green', `+ ${name}`) + from(change.manifest.source)];
    case 'change': {
      const head = coloured('yellow', `~ ${name}`) + from(change.manifest.source);
      return [head, ...change.differences.map(differenceLine)];
    }
    case 'delete':
      return [coloured('red', `- ${name}`)];
  }
}

function from(source: LocatedDocument): string {
  return `   ${printable(source.file)}:${source.locate('').line}`;
}

function differenceLine({ pointer, before, after }: Difference): string {
  const at = `    ${printable(pointer || '/')}: `;
  if (before === undefined) return `${at}+ ${short(after)}`;
  if (after === undefined) return `${at}- ${short(before)}`;
  return `${at}${short(before)} → ${short(after)}`;
}

function short(value: unknown): string {
  const text = printable(JSON.stringify(value));
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
