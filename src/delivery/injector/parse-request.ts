import { targetProblem, targetsOverlap } from '../files/file-options.ts';
import { HTTP_URL } from '../settings/actions.ts';
import {
  DOMAIN,
  MOST_ITEMS,
  type AnnotationTexts,
  type PodAnnotation,
  type Problems,
} from './annotations.ts';
import type { InjectionRequest, RequestedSecret, RequestedTemplate } from './injection-request.ts';
import { parseItem } from './parse-item.ts';

const DEFAULT_DIRECTORY = '/var/run/quaymaster/secrets';
const LONGEST_URL = 2_048;
/** All containers and init containers that a pod may have here. */
const MOST_READERS = 1_000;
const SIGNAL = /^SIG(?:HUP|INT|QUIT|USR1|USR2|TERM|WINCH)$/;
const PROCESS = /^[A-Za-z0-9._-]{1,15}$/;
const DIRECTORY = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Parses all annotations. If `problems` has any afterwards, the request must not be used. */
export function parseRequest(
  { pod, items }: AnnotationTexts,
  problems: Problems,
): InjectionRequest {
  return { ...parseItems(items, problems), ...parsePodTexts(pod, problems) };
}

function parseItems(
  items: AnnotationTexts['items'],
  problems: Problems,
): Pick<InjectionRequest, 'secrets' | 'templates'> {
  const secrets: RequestedSecret[] = [];
  const templates: RequestedTemplate[] = [];
  if (items.size > MOST_ITEMS) {
    const asked = `the pod asks for ${items.size} secrets and templates`;
    problems.add(`${DOMAIN}inject`, `${asked}; the limit is ${MOST_ITEMS}`);
    return { secrets, templates };
  }
  for (const [name, texts] of items) {
    const { secret, template } = parseItem(name, texts, problems);
    if (secret !== undefined) secrets.push(secret);
    if (template !== undefined) templates.push(template);
  }
  if (secrets.length === 0) {
    problems.add(`${DOMAIN}inject`, `the pod asks for no secret: add ${DOMAIN}secret-<name>`);
  }
  checkFiles([...secrets, ...templates], problems);
  return { secrets, templates };
}

/** Checks that no file is the same as another, or lies within it. At most a hundred are compared, each of a bounded depth. */
function checkFiles(
  targets: readonly { readonly name: string; readonly file?: string }[],
  problems: Problems,
): void {
  const valid = targets.filter(({ file = '' }) => targetProblem(file) === undefined);
  for (const [index, { name, file }] of valid.entries()) {
    if (file === undefined) continue;
    const other = valid
      .slice(0, index)
      .find((earlier) => earlier.file !== undefined && targetsOverlap(earlier.file, file));
    if (other !== undefined) {
      problems.add(`${DOMAIN}file-${name}`, `overlaps with the file of "${other.name}"`);
    }
  }
}

type PodTexts = AnnotationTexts['pod'];
type PodPart = Omit<InjectionRequest, 'secrets' | 'templates'>;

function parsePodTexts(texts: PodTexts, problems: Problems): PodPart {
  const refuse = (key: PodAnnotation, message: string): void =>
    problems.add(`${DOMAIN}${key}`, message);
  const { once = 'false', directory = DEFAULT_DIRECTORY, containers } = texts;
  if (once !== 'true' && once !== 'false') refuse('once', 'must be "true" or "false"');
  if (directory.length > 500 || !DIRECTORY.test(directory) || isOfTheSystem(directory)) {
    refuse(
      'directory',
      'must be an absolute path, not of the system, in segments of [A-Za-z0-9._-]',
    );
  }
  const unreachable = texts['when-unreachable'];
  if (unreachable !== undefined && !['keep', 'remove', 'fail'].includes(unreachable)) {
    refuse('when-unreachable', 'must be one of keep, remove, fail');
  }
  return {
    isOnce: once === 'true',
    directory,
    ...(containers !== undefined && { containers: namesOf(containers, refuse) }),
    ...(unreachable !== undefined && { whenUnreachable: unreachable }),
    ...healthPortOf(texts, refuse),
    ...onChangeOf(texts, refuse),
  };
}

function isOfTheSystem(directory: string): boolean {
  const [, first = ''] = directory.split('/');
  return ['proc', 'sys', 'dev'].includes(first);
}

function namesOf(list: string, refuse: Refuse): readonly string[] {
  const names = list.split(',', MOST_READERS + 1).map((name) => name.trim());
  if (names.length > MOST_READERS) refuse('containers', `may name ${MOST_READERS} at most`);
  return [...new Set(names.slice(0, MOST_READERS))];
}

type Refuse = (key: PodAnnotation, message: string) => void;

function healthPortOf(texts: PodTexts, refuse: Refuse): Pick<PodPart, 'healthPort'> {
  const text = texts['health-port'];
  if (text === undefined) return {};
  const healthPort = Number(text);
  if (!/^[1-9]\d{0,4}$/.test(text) || healthPort > 65_535) {
    refuse('health-port', 'must be a port, 1 to 65535');
  }
  return { healthPort };
}

function onChangeOf(
  texts: PodTexts,
  refuse: Refuse,
): Pick<PodPart, 'onChangeUrl' | 'onChangeSignal'> {
  const url = texts['on-change-url'];
  if (url !== undefined && !isOfThePod(url)) {
    refuse('on-change-url', 'must be http://127.0.0.1:<port>/… of the pod itself');
  }
  return {
    ...(url !== undefined && { onChangeUrl: url }),
    ...signalOf(texts['on-change-signal'], texts['on-change-process'], refuse),
  };
}

function signalOf(
  signal: string | undefined,
  process: string | undefined,
  refuse: Refuse,
): Pick<PodPart, 'onChangeSignal'> {
  if (signal === undefined) {
    if (process !== undefined) refuse('on-change-process', `needs ${DOMAIN}on-change-signal`);
    return {};
  }
  if (!SIGNAL.test(signal)) refuse('on-change-signal', 'must be a signal like SIGHUP');
  if (process === undefined) refuse('on-change-signal', `needs ${DOMAIN}on-change-process`);
  else if (!PROCESS.test(process)) {
    refuse('on-change-process', 'must be the name of a process, 1 to 15 characters');
  }
  return process === undefined ? {} : { onChangeSignal: { signal, process } };
}

function isOfThePod(text: string): boolean {
  if (text.length > LONGEST_URL || !HTTP_URL.test(text)) return false;
  const url = URL.parse(text);
  return (
    url?.protocol === 'http:' &&
    LOOPBACK.has(url.hostname) &&
    `${url.username}${url.password}` === ''
  );
}
