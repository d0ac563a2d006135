import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { settingWords } from '../../domain/words/schema-words.ts';
import { readOneYaml, type YamlDocument } from '../../domain/text/strict-yaml.ts';
import { configSchema, type Config } from './schema.ts';
import { pathOf, pointerTo } from '../../domain/words/json-pointer.ts';

const ENVIRONMENT_PREFIX = 'QUAYMASTER__';
/** Node itself reads this variable, so it affects every library: the PostgreSQL and AWS clients would accept any certificate (CVE-2021-22939). */
const TLS_SWITCH = 'NODE_TLS_REJECT_UNAUTHORIZED';

/**
 * Loads the configuration: one YAML file, overridden by the environment. `QUAYMASTER__listener__port=8300` sets `listener.port`; values are parsed as
 * YAML.
 * @throws ERR_CONFIG_INVALID with every problem at once.
 */
export async function loadConfig(
  path: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Config> {
  if (environment[TLS_SWITCH] === '0') {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${TLS_SWITCH}=0 is refused: certificates are always verified; name the authority in "caFile"`,
    );
  }
  const file = await readDocument(path);
  const document = { ...(file.value as object | null) };
  /** The variable that sets the value at a pointer. */
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    refuseMisspelt(name, value);
    if (!name.startsWith(ENVIRONMENT_PREFIX) || value === undefined) continue;
    const keys = name.slice(ENVIRONMENT_PREFIX.length).split('__');
    override(document, keys, (await readSetting(value, name)).value);
    variables.set(pointerTo(keys), name);
  }
  return checkConfig(document, path, (pointer) => {
    const [overriding] = enclosing(pointer).flatMap((each) => variables.get(each) ?? []);
    if (overriding !== undefined) return overriding;
    const inner = [...variables].find(([each]) => each.startsWith(`${pointer}/`));
    if (inner !== undefined && file.locateKey(pointer) === undefined) return inner[1];
    return placeIn(path, file, pointer);
  });
}

/** The kubelet sets variables like these for a Service with a name such as `quaymaster-metrics`. */
const SERVICE_LINK = /^(?:SERVICE|PORT_\d)/;
const SERVICE_ADDRESS = /^(?:tcp|udp|sctp):\/\//;

/** @throws ERR_CONFIG_INVALID for a variable that looks like a setting but would change nothing. */
function refuseMisspelt(name: string, value = ''): void {
  const [, section = '', setting = ''] = /^QUAYMASTER_([A-Z]+)_(\w+)$/i.exec(name) ?? [];
  const key = section.toLowerCase();
  if (!Object.hasOwn(configSchema.shape, key)) return;
  if (SERVICE_LINK.test(setting) || SERVICE_ADDRESS.test(value)) return;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    `the environment variable ${name} sets nothing: write settings with two underscores and in the case of the file, for example ${ENVIRONMENT_PREFIX}${key}__${setting.toLowerCase()}`,
  );
}

/**
 * @param placeOf names the file with line and column, or the environment variable, that has the value at a JSON pointer
 * @throws ERR_CONFIG_INVALID
 */
export function checkConfig(
  document: unknown,
  source: string,
  placeOf: (pointer: string) => string = () => source,
): Config {
  // It is parsed once or seldom: the code that zod would generate for each object costs more than it saves (measured: 4 ms).
  const checked = configSchema.safeParse(document, { error: settingWords, jitless: true });
  if (checked.success) return checked.data;
  const problems = checked.error.issues.flatMap((issue) => problemsOf(issue, []));
  const lines = problems.map(({ pointer, message }) => {
    const [, key] = /^unknown key "([^"]*)"/.exec(message) ?? [];
    const place = placeOf(key === undefined ? pointer : pointer + pointerTo([key]));
    return `${place}: ${pointer || '/'}: ${message}`;
  });
  throw invalid(source, lines, { problems });
}

function invalid(
  source: string,
  lines: readonly string[],
  more: { readonly problems?: readonly Problem[] } = {},
): BrokerError {
  const detail = [`${source} is not valid`, ...lines.map((line) => `  ${line}`)].join('\n');
  return new BrokerError('ERR_CONFIG_INVALID', detail, more);
}

/** Lists the pointer and those of all values around it, from the innermost. */
function enclosing(pointer: string): readonly string[] {
  const path = pathOf(pointer);
  return path.map((_, index) => pointerTo(path.slice(0, path.length - index)));
}

/** `file:line:column` of the key at the pointer, or of the innermost value around it that exists. */
function placeIn(file: string, document: YamlDocument, pointer: string): string {
  for (const each of enclosing(pointer)) {
    const found = document.locateKey(each) ?? document.locate(each);
    if (found !== undefined) return `${file}:${found.line}:${found.column}`;
  }
  return file;
}

/** Lists the problems of an issue. In a union, only those of the variant that `type` selects. */
function problemsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): readonly Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((form) => typesOf(form).length === 0);
    if (meant !== undefined) return meant.flatMap((inner) => problemsOf(inner, path));
    const types = new Set(issue.errors.flatMap(typesOf));
    if (types.size > 0) {
      const message = `must be one of: ${[...types].join(', ')}`;
      return [{ pointer: pointerTo([...path, 'type']), message }];
    }
  }
  return [{ pointer: pointerTo(path), message: issue.message }];
}

/** The values of `type` that a variant, or a variant nested in it, would have accepted instead; empty if its `type` matches. */
function typesOf(form: readonly z.core.$ZodIssue[]): readonly string[] {
  return form.flatMap((issue) => {
    const [at] = issue.path;
    if (issue.code === 'invalid_union' && at === undefined) return issue.errors.flatMap(typesOf);
    if (at !== 'type') return [];
    if (issue.code === 'invalid_union' && 'options' in issue) return issue.options.map(String);
    return issue.code === 'invalid_value' ? issue.values.map(String) : [];
  });
}

async function readDocument(path: string): Promise<YamlDocument> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `the configuration file ${path} cannot be read`, {
      cause,
    });
  }
  const document = await readSetting(text, path);
  if (isMapOrEmpty(document.value)) return document;
  throw new BrokerError('ERR_CONFIG_INVALID', `${path} must be a map of settings`);
}

function isMapOrEmpty(value: unknown): boolean {
  return typeof value === 'object' && !Array.isArray(value);
}

/** @throws ERR_CONFIG_INVALID with file, line and column of each fault */
async function readSetting(text: string, source: string): Promise<YamlDocument> {
  const read = await readOneYaml(text, { allowAliases: true });
  if (!('problems' in read)) return read;
  const lines = read.problems.map(({ line, column, message }) => {
    const place = [source, line, column].filter((part) => part !== undefined).join(':');
    return `${place}: ${message}`;
  });
  throw invalid(source, lines);
}

function override(
  target: Record<string, unknown>,
  [key = '', ...rest]: readonly string[],
  value: unknown,
): void {
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  const next = typeof inner === 'object' && inner !== null ? { ...inner } : {};
  override(next, rest, value);
  target[key] = next;
}
