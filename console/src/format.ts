import { now } from './clock.ts';

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** `5 min. ago`, `in 3 days` */
export function relativeTime(at: number): string {
  const seconds = Math.round((at - now.value) / 1000);
  for (const [unit, size] of UNITS)
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  return Math.abs(seconds) < 10 ? 'now' : relative.format(seconds, 'second');
}

/** Date and time with the zone of the person. */
export function exactTime(at: number): string {
  return exact.format(at);
}

/** A text of JSON with indents, or the text itself if it is damaged. */
export function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

export function duration(seconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}`;
  return `${seconds} s`;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString('en')} ${value === 1 ? one : many}`;
}

/** The parts of a workload's name: `k8s://dev/shop/web`. */
export function workloadPath(name: string): string {
  return name.replace('://', '/');
}

export function workloadName(path: string): string {
  return path.replace('/', '://');
}

/** A text in single quotes for a shell, if it needs them. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const day = new Intl.DateTimeFormat('en', { weekday: 'short', day: 'numeric', month: 'short' });

/** `Mon, 30 Nov`, in the person's zone. */
export function dayOf(at: number): string {
  return day.format(at);
}

/** Characters without a shape, which turn the text around them or hide in it. */
const SHAPELESS = /\p{Cf}/gu;

/** The text of a document with the number of each character that could make a person read something else. */
export function unmasked(text: string): string {
  return text.replaceAll(
    SHAPELESS,
    (each) => `\\u${(each.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
