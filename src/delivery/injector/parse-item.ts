import { isSecretPath } from '../../domain/words/names.ts';
import { parseDuration } from '../../domain/policy/duration.ts';
import {
  FILE_ENDINGS,
  FORMATS,
  MODE_RULE,
  parseMode,
  targetProblem,
} from '../files/file-options.ts';
import { DOMAIN, type ItemTexts, type Problems } from './annotations.ts';
import type { RequestedSecret, RequestedTemplate } from './injection-request.ts';

const VERSION = /^[A-Za-z0-9._:-]{1,128}$/;

interface Item {
  readonly secret?: RequestedSecret;
  readonly template?: RequestedTemplate;
}

/** The annotations of one name: a secret, a template, or a secret for its own template. */
export function parseItem(name: string, texts: ItemTexts, problems: Problems): Item {
  const { secret, template } = texts;
  const refuse = (kind: keyof ItemTexts, message: string): void =>
    problems.add(`${DOMAIN}${kind}-${name}`, message);
  if (secret === undefined) {
    for (const kind of ['credential', 'format', 'optional'] as const) {
      if (texts[kind] !== undefined) refuse(kind, `needs ${DOMAIN}secret-${name}`);
    }
    for (const kind of ['file', 'mode'] as const) {
      if (texts[kind] !== undefined && template === undefined) {
        refuse(kind, `needs ${DOMAIN}secret-${name} or ${DOMAIN}template-${name}`);
      }
    }
  }
  if (template !== undefined && texts.format !== undefined) {
    refuse('format', `cannot be combined with ${DOMAIN}template-${name}`);
  }
  checkTexts(texts, refuse);
  return {
    ...(secret !== undefined && { secret: secretOf(name, texts, refuse) }),
    ...(template !== undefined && { template: templateOf(name, template, texts) }),
  };
}

type Refuse = (kind: keyof ItemTexts, message: string) => void;

function checkTexts({ file, mode, optional, credential }: ItemTexts, refuse: Refuse): void {
  const problem = file === undefined ? undefined : targetProblem(file);
  if (problem !== undefined) refuse('file', problem);
  if (mode !== undefined && parseMode(mode) === undefined) refuse('mode', MODE_RULE);
  if (optional !== undefined && optional !== 'true' && optional !== 'false') {
    refuse('optional', 'must be "true" or "false"');
  }
  if (credential !== undefined && parseDuration(credential) === undefined) {
    refuse('credential', 'must be a lifetime like 30m or 1h');
  }
}

function secretOf(name: string, texts: ItemTexts, refuse: Refuse): RequestedSecret {
  const { path, version } = splitReference(texts.secret ?? '');
  if (!isSecretPath(path) || (version !== undefined && !VERSION.test(version))) {
    refuse('secret', 'must be the path of a secret, or path@version');
  }
  if (version !== undefined && texts.credential !== undefined) {
    refuse('credential', 'a dynamic credential has no version to pin');
  }
  return {
    name,
    path,
    isOptional: texts.optional === 'true',
    ...(version !== undefined && { version }),
    ...(texts.credential !== undefined && { credentialTtl: texts.credential }),
    ...(texts.template === undefined && fileOf(name, texts, refuse)),
  };
}

/** The version follows the last `@`. A path that contains an `@`, without a version, ends with one more `@`. */
function splitReference(text: string): { readonly path: string; readonly version?: string } {
  const at = text.lastIndexOf('@');
  if (at < 0) return { path: text };
  const version = text.slice(at + 1);
  return { path: text.slice(0, at), ...(version !== '' && { version }) };
}

function fileOf(
  name: string,
  { file, format = 'json', mode }: ItemTexts,
  refuse: Refuse,
): Pick<RequestedSecret, 'file' | 'format' | 'mode'> {
  const known = FORMATS.find((one) => one === format);
  if (known === undefined) refuse('format', `must be one of ${FORMATS.join(', ')}`);
  return {
    file: file ?? `${name}${FILE_ENDINGS[known ?? 'json']}`,
    format: known ?? 'json',
    ...modeOf(mode),
  };
}

function templateOf(name: string, text: string, texts: ItemTexts): RequestedTemplate {
  const { file = name, mode } = texts;
  return { name, file, text, ...modeOf(mode) };
}

/** A mode in four digits. A wrong one was refused already: it is left out, so that no later check judges it. */
function modeOf(mode: string | undefined): { readonly mode?: string } {
  return mode === undefined || parseMode(mode) === undefined ? {} : { mode: mode.padStart(4, '0') };
}
