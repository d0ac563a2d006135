import { readFile } from 'node:fs/promises';
import type * as z from 'zod/mini';
import { ConfigError } from '../failures.ts';
import { withEnvironment, type Environment } from './environment.ts';
import { settingsSchema, type Settings } from './settings.ts';

/** Read by Node itself: with it every certificate is believed (CVE-2021-22939). */
const TLS_SWITCH = 'NODE_TLS_REJECT_UNAUTHORIZED';
export const DEFAULT_FILE = '/etc/quaymaster/agent.yaml';

/**
 * The settings: one YAML file, then the environment over it. Without a file of its own choice the agent takes the default one where it
 * is there, else the environment alone. @throws ConfigError with every problem at once
 */
export async function loadSettings(
  file: string | undefined,
  environment: Environment,
): Promise<Settings> {
  if (environment[TLS_SWITCH] === '0') {
    throw new ConfigError('environment', [
      `${TLS_SWITCH}=0 is refused: certificates are always verified; name the authority in broker.caFile`,
    ]);
  }
  const text = await textOf(file);
  const document = text === undefined ? {} : await parsed(text, file ?? DEFAULT_FILE);
  return checkSettings(
    withEnvironment(document, environment),
    text === undefined ? 'environment' : (file ?? DEFAULT_FILE),
  );
}

/** @throws ConfigError */
export function checkSettings(document: unknown, source: string): Settings {
  const checked = settingsSchema.safeParse(document);
  if (checked.success) return checked.data;
  throw new ConfigError(source, checked.error.issues.map(described));
}

/** What is wrong and where; never what stands there, because a secret may have been put into the wrong place. */
function described(issue: z.core.$ZodIssue): string {
  const place = issue.path.map((part) => `/${String(part)}`).join('') || '/';
  if (issue.code === 'unrecognized_keys') return `${place}: unknown: ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_type') return `${place}: needs a value of type ${issue.expected}`;
  if (issue.code === 'invalid_value') return `${place}: is one of ${issue.values.join(', ')}`;
  return `${place}: ${issue.message}`;
}

async function textOf(file: string | undefined): Promise<string | undefined> {
  try {
    return await readFile(file ?? DEFAULT_FILE, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (file === undefined && code === 'ENOENT') return undefined;
    throw new ConfigError(file ?? DEFAULT_FILE, [`cannot be read (${code})`]);
  }
}

async function parsed(text: string, source: string): Promise<Record<string, unknown>> {
  // Loaded only where there is a file: 8 ms of the start.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { strict: true, uniqueKeys: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    throw new ConfigError(source, [`line ${line} is not YAML (${error.code})`]);
  }
  const value: unknown = document.toJS();
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new ConfigError(source, ['is not a map of settings']);
}
