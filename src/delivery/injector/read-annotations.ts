import {
  DOMAIN,
  ITEM_ANNOTATIONS,
  POD_ANNOTATIONS,
  type ItemAnnotation,
  type PodAnnotation,
} from './annotations.ts';
import type { Problems } from './problems.ts';

/** The text after `secret-`, `file-` and so on; templates and `exec` call the secret by it. */
const ITEM_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?$/;

export type ItemTexts = Partial<Record<ItemAnnotation, string>>;

/** A pod's annotations below our domain, sorted and not yet understood. */
export interface AnnotationTexts {
  readonly pod: Readonly<Partial<Record<PodAnnotation, string>>>;
  /** By name, in the order of the names. */
  readonly items: ReadonlyMap<string, Readonly<ItemTexts>>;
}

export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
  problems: Problems,
): AnnotationTexts {
  const pod: Partial<Record<PodAnnotation, string>> = {};
  const items = new Map<string, ItemTexts>();
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith(DOMAIN));
  for (const [key, text] of ours.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const short = key.slice(DOMAIN.length);
    const ofPod = POD_ANNOTATIONS.find((known) => known === short);
    if (ofPod !== undefined) pod[ofPod] = text;
    else readItem(short, text, { items, problems });
  }
  return { pod, items: new Map([...items].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function readItem(
  short: string,
  text: string,
  { items, problems }: { items: Map<string, ItemTexts>; problems: Problems },
): void {
  const dash = short.indexOf('-');
  const kind = ITEM_ANNOTATIONS.find((known) => known === short.slice(0, dash));
  const name = short.slice(dash + 1);
  if (dash < 0 || kind === undefined) {
    problems.add(`${DOMAIN}${short}`, 'is not known');
    return;
  }
  if (!ITEM_NAME.test(name)) {
    problems.add(
      `${DOMAIN}${short}`,
      `its name after "${kind}-" must be 1 to 40 of a-z, 0-9, "_" and "-", with a letter or digit at both ends`,
    );
    return;
  }
  items.set(name, { ...items.get(name), [kind]: text });
}
