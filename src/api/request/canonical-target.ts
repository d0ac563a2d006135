import { ACCESS } from '../contract/access.ts';

const SEGMENTS = '{path}';
/** Texts before the parameters that have several segments. */
const BEGINNINGS: readonly string[] = [
  ...new Set(
    [...ACCESS.values()]
      .filter(({ path }) => path.includes(SEGMENTS))
      .map(({ path }) => path.slice(0, path.indexOf(SEGMENTS))),
  ),
];
const ESCAPED_SLASH = /%2f/gi;

/**
 * Replaces `%2F` by the slash that it stands for, once, in a parameter that has several segments. Generated clients escape every slash in a parameter
 * (RFC 6570 section 3.2.2). All later steps see this one spelling: the router, the decision, proofs, quotas, caches and the log. They refuse every other `%`
 * of a path, so `%252F` stays refused, and so does an escaped slash at any other place.
 */
export function canonicalTarget(target: string): string {
  const beginning = BEGINNINGS.find((each) => target.startsWith(each));
  if (beginning === undefined) return target;
  const query = target.indexOf('?');
  const end = query === -1 ? target.length : query;
  const path = target.slice(beginning.length, end).replaceAll(ESCAPED_SLASH, '/');
  return beginning + path + target.slice(end);
}
