/** All annotations are below this domain. */
export const DOMAIN = 'quaymaster.dev/';

/** Annotations that say something of the pod as a whole. */
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

/** Annotations that say something of one secret or template: the rest of the key is its name. */
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

/** Secrets and templates of one pod: the broker answers so many items of one batch. */
export const MOST_ITEMS = 100;
/** Enough for every annotation of as many items. */
export const MOST_ANNOTATIONS = POD_ANNOTATIONS.length + MOST_ITEMS * ITEM_ANNOTATIONS.length;

/** The marker and the version of what was injected. */
export const INJECTED = `${DOMAIN}injected`;
export const INJECTION_VERSION = 'v1';
