/** All annotations of the injector begin with this domain. */
export const DOMAIN = 'quaymaster.dev/';

/** Annotations about the pod as a whole. */
export const POD_ANNOTATIONS = [
  'inject',
  'injected',
  'containers',
  'directory',
  'once',
  'health-port',
  'when-unreachable',
  'on-change-url',
  'on-change-signal',
  'on-change-process',
] as const;
export type PodAnnotation = (typeof POD_ANNOTATIONS)[number];

/** Annotations about one secret or template: the rest of the key is its name. */
export const ITEM_ANNOTATIONS = [
  'secret',
  'credential',
  'file',
  'format',
  'mode',
  'optional',
  'template',
] as const;
export type ItemAnnotation = (typeof ITEM_ANNOTATIONS)[number];

/** Secrets and templates of one pod: the broker accepts as many items in one batch. */
export const MOST_ITEMS = 100;
/** Limit of annotations: enough for every annotation of that many items. */
export const MOST_ANNOTATIONS = POD_ANNOTATIONS.length + MOST_ITEMS * ITEM_ANNOTATIONS.length;

/** Kubernetes accepts as much for all annotations of an object. */
export const MOST_CHARACTERS = 256 * 1024;

/** The marker of an injected pod, and the version of the injection. */
export const INJECTED = `${DOMAIN}injected`;
export const INJECTION_VERSION = 'v1';

/** A request of the pod that cannot be fulfilled: the annotation or field, and why. */
export interface Problem {
  readonly place: string;
  readonly message: string;
}

/** The author of a pod repairs a few at a time; a hostile review could have a million. */
const MOST_PROBLEMS = 100;
const LONGEST_PLACE = 320;

/** Collects problems, so that the author of the pod sees all of them at once. */
export class Problems {
  readonly #found: Problem[] = [];
  #more = 0;

  add(place: string, message: string): void {
    if (this.#found.length === MOST_PROBLEMS) this.#more += 1;
    else this.#found.push({ place: place.slice(0, LONGEST_PLACE), message });
  }

  /** Lists the problems; empty if there are none. */
  get found(): readonly Problem[] {
    if (this.#more === 0) return this.#found;
    return [...this.#found, { place: 'pod', message: `${this.#more} more problems` }];
  }
}

/** The text after `secret-`, `file-` and so on: templates and `exec` use it as the name of the secret. */
const ITEM_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?$/;

export type ItemTexts = Partial<Record<ItemAnnotation, string>>;

/** The annotations of our domain by kind and name, not yet parsed. */
export interface AnnotationTexts {
  readonly pod: Readonly<Partial<Record<PodAnnotation, string>>>;
  /** Texts of each item, in the order of the names. */
  readonly items: ReadonlyMap<string, Readonly<ItemTexts>>;
}

export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
  problems: Problems,
): AnnotationTexts {
  const pod: Partial<Record<PodAnnotation, string>> = {};
  const items = new Map<string, ItemTexts>();
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith(DOMAIN));
  for (const [key, text] of ours.sort(byKey)) {
    const short = key.slice(DOMAIN.length);
    const ofPod = POD_ANNOTATIONS.find((known) => known === short);
    if (ofPod !== undefined) pod[ofPod] = text;
    else readItem(short, text, { items, problems });
  }
  return { pod, items: new Map([...items].sort(byKey)) };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
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
    problems.add(`${DOMAIN}${short}`, 'is not a known annotation');
    return;
  }
  if (!ITEM_NAME.test(name)) {
    problems.add(
      `${DOMAIN}${short}`,
      `the name after "${kind}-" must be 1 to 40 of a-z, 0-9, "_" and "-", with a letter or digit at both ends`,
    );
    return;
  }
  items.set(name, { ...items.get(name), [kind]: text });
}
