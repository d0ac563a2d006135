import type * as z from 'zod/mini';
import { ConfigError } from '../failures.ts';
import { withEnvironment, type Environment } from './environment.ts';
import { settingsSchema, type Settings } from '../settings/settings.ts';
import { readText } from './read-text.ts';

/** Read by Node itself: with it every certificate is believed (CVE-2021-22939). */
const TLS_SWITCH = 'NODE_TLS_REJECT_UNAUTHORIZED';
const DEFAULT_FILE = '/etc/quaymaster/agent.yaml';

/** Holds the YAML itself: what injection writes, since a pod has no file of the agent's. */
const INLINE = 'QUAYMASTER_CONFIG';

interface Source {
  readonly name: string;
  readonly text: string;
}

/**
 * The settings: one YAML document, then the environment over it. The document is the file that the command line names, else the variable
 * `QUAYMASTER_CONFIG`, else the default file where it is there, else nothing. @throws ConfigError with every problem at once
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
  const source = await sourceOf(file, environment[INLINE]);
  const document = source === undefined ? {} : await parsed(source);
  return checkSettings(withEnvironment(document, environment), source?.name ?? 'environment');
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

async function sourceOf(
  file: string | undefined,
  inline: string | undefined,
): Promise<Source | undefined> {
  if (file === undefined && inline !== undefined && inline !== '') {
    return { name: INLINE, text: inline };
  }
  const name = file ?? DEFAULT_FILE;
  try {
    return { name, text: await readText(name) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (file === undefined && code === 'ENOENT') return undefined;
    throw new ConfigError(name, [`cannot be read (${code})`]);
  }
}

async function parsed({ name, text }: Source): Promise<Record<string, unknown>> {
  // Loaded only where there is a document: 8 ms of the start.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { strict: true, uniqueKeys: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    throw new ConfigError(name, [`line ${line} is not YAML (${error.code})`]);
  }
  const value: unknown = document.toJS();
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new ConfigError(name, ['is not a map of settings']);
}
