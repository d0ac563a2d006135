import { ConfigError } from '../failures.ts';
import { readText } from '../files/read-file.ts';
import { readOneYaml, yamlProblemText } from '../../domain/text/strict-yaml.ts';
import { checkSettings, type Settings } from '../settings/settings.ts';
import { withEnvironment, type Environment } from './environment.ts';

/** Node reads it: with the value 0 it accepts every certificate (CVE-2021-22939). */
const TLS_SWITCH = 'NODE_TLS_REJECT_UNAUTHORIZED';
const DEFAULT_FILE = '/etc/quaymaster/agent.yaml';

/** Holds the YAML itself: injected pods have no file for the agent. */
const INLINE = 'QUAYMASTER_CONFIG';

interface Source {
  readonly name: string;
  readonly text: string;
}

/**
 * The settings: one YAML document, overridden by the environment. The document is the file that the command line names, or the variable
 * `QUAYMASTER_CONFIG`, or the default file if it exists, or nothing. @throws ConfigError with every problem
 */
export async function loadSettings(
  file: string | undefined,
  environment: Environment,
): Promise<Settings> {
  if (environment[TLS_SWITCH] === '0') {
    throw new ConfigError('environment', [
      `${TLS_SWITCH}=0 is refused: certificates are always verified; set broker.caFile to trust your own authority`,
    ]);
  }
  const source = await readSource(file, environment[INLINE]);
  if (source === undefined && (environment['QUAYMASTER_URL'] ?? '') === '') {
    throw new ConfigError('there is no configuration', [
      `${DEFAULT_FILE} does not exist, and QUAYMASTER_URL is not set`,
      'set QUAYMASTER_URL, QUAYMASTER_CLUSTER and QUAYMASTER_SECRETS, or name a file with --config; see docs/agent.md',
    ]);
  }
  const document = source === undefined ? {} : await parseSettings(source);
  return checkSettings(withEnvironment(document, environment), source?.name ?? 'environment');
}

async function readSource(
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

async function parseSettings({ name, text }: Source): Promise<Record<string, unknown>> {
  const read = await readOneYaml(text, { allowAliases: true });
  if ('problems' in read) throw new ConfigError(name, read.problems.map(yamlProblemText));
  const { value } = read;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new ConfigError(name, ['must be a map of settings']);
}
