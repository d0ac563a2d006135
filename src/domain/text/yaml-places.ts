import type * as yamlModule from 'js-yaml';
import type { Event } from 'js-yaml';

export type Yaml = typeof yamlModule;

/** The text with the events of its parser, in which every key is a scalar. */
export interface ParsedText {
  readonly yaml: Yaml;
  readonly text: string;
  readonly events: readonly Event[];
}

/** The index of an event, and of the event of its key if it has one. */
interface Place {
  readonly at: number;
  readonly key?: number;
}

/** The place of the value at a path below the value at an index. It follows no aliases. */
export function placeOf(
  parsed: ParsedText,
  at: number,
  path: readonly string[],
): Place | undefined {
  let place: Place | undefined = { at };
  for (const part of path) place = place && childOf(parsed, place.at, part);
  return place;
}

function childOf(parsed: ParsedText, parent: number, part: string): Place | undefined {
  const { yaml, text, events } = parsed;
  const { SEQUENCE, MAPPING, SCALAR, POP } = yaml.EVENT_ID;
  const type = events[parent]?.type;
  if (type !== SEQUENCE && type !== MAPPING) return undefined;
  let at = parent + 1;
  for (let index = 0; events[at]?.type !== POP; index += 1) {
    if (type === SEQUENCE) {
      if (String(index) === part) return { at };
    } else {
      const key = events[at];
      if (key?.type === SCALAR && yaml.getScalarValue(text, key) === part) {
        return { at: at + 1, key: at };
      }
      at += 1;
    }
    at = afterNode(parsed, at);
  }
  return undefined;
}

/** The index of the first event after a node. */
function afterNode({ yaml, events }: ParsedText, start: number): number {
  const { SEQUENCE, MAPPING, POP } = yaml.EVENT_ID;
  let open = 0;
  for (let at = start; ; at += 1) {
    const type = events[at]?.type;
    if (type === SEQUENCE || type === MAPPING) open += 1;
    else if (type === POP) open -= 1;
    if (open === 0) return at + 1;
  }
}

/** The offset at which the value of an event begins in its text. A value without text is where the one before it is. */
export function offsetAt(events: readonly Event[], index: number, yaml: Yaml): number {
  for (let at = index; at >= 0; at -= 1) {
    const offset = ownOffset(events[at] as Event, yaml);
    if (offset !== -1) return offset;
  }
  return 0;
}

function ownOffset(event: Event, { EVENT_ID, SCALAR_STYLE }: Yaml): number {
  if (event.type === EVENT_ID.SCALAR) {
    const { style, valueStart, indent } = event;
    if (valueStart === -1 || style === SCALAR_STYLE.PLAIN) return valueStart;
    const isQuoted = style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED;
    return isQuoted ? valueStart - 1 : valueStart + Math.max(indent, 0);
  }
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart - 1;
  return 'start' in event ? event.start : -1;
}
