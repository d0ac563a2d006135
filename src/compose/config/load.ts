import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { schemaWords } from '../../domain/schema-words.ts';
import { readOneYaml, yamlProblemText } from '../../text/strict-yaml.ts';
import { configSchema, type Config } from './schema.ts';
import { pointerTo } from '../../domain/json-pointer.ts';

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
  const document = await readDocument(path);
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith(ENVIRONMENT_PREFIX) && value !== undefined) {
      override(
        document,
        name.slice(ENVIRONMENT_PREFIX.length).split('__'),
        await readSetting(value, `the environment variable ${name}`),
      );
    }
  }
  return checkConfig(document, path);
}

/** @throws ERR_CONFIG_INVALID */
export function checkConfig(document: unknown, source: string): Config {
  const checked = configSchema.safeParse(document, { error: schemaWords });
  if (checked.success) return checked.data;
  const problems = checked.error.issues.flatMap((issue) => problemsOf(issue, []));
  const lines = problems.map(({ pointer, message }) => `  ${pointer || '/'}: ${message}`);
  throw new BrokerError('ERR_CONFIG_INVALID', `${source}:\n${lines.join('\n')}`, { problems });
}

/** In a union, reports only the problems of the variant that `type` selects. */
function problemsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): readonly Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((form) => typesOf(form).length === 0);
    if (meant !== undefined) return meant.flatMap((inner) => problemsOf(inner, path));
    const types = new Set(issue.errors.flatMap(typesOf));
    if (types.size > 0) {
      const message = `is one of: ${[...types].join(', ')}`;
      return [{ pointer: pointerTo([...path, 'type']), message }];
    }
  }
  const message =
    issue.code === 'unrecognized_keys' ? `unknown: ${issue.keys.join(', ')}` : issue.message;
  return [{ pointer: pointerTo(path), message }];
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

async function readDocument(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `the configuration file ${path} cannot be read`, {
      cause,
    });
  }
  const document = await readSetting(text, path);
  return typeof document === 'object' && document !== null ? { ...document } : {};
}

/** @throws ERR_CONFIG_INVALID with the line of each fault */
async function readSetting(text: string, source: string): Promise<unknown> {
  const read = await readOneYaml(text, { allowAliases: true });
  if (!('problems' in read)) return read.value;
  const lines = read.problems.map((problem) => `  ${yamlProblemText(problem)}`);
  throw new BrokerError('ERR_CONFIG_INVALID', `${source}:\n${lines.join('\n')}`);
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
