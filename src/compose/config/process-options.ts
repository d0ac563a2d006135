import { readFileSync } from 'node:fs';
import { BrokerError } from '../../domain/errors.ts';
import type { Config } from './schema.ts';

/**
 * Options of Node that a broker may be started with: sizes, certificates of the system, words on standard error. Every other one is refused, because
 * many open the process to another party: a debugger (`--inspect`), foreign code (`--require`, `--import`), memory in a file
 * (`--heapsnapshot-signal`, `--report-on-signal`), keys of TLS in a file (`--tls-keylog`).
 */
const HARMLESS: ReadonlySet<string> = new Set([
  '--disable-sigusr1',
  '--disable-warning',
  '--dns-result-order',
  '--enable-source-maps',
  '--experimental-vm-modules',
  '--max-http-header-size',
  '--max-old-space-size',
  '--max-semi-space-size',
  '--no-deprecation',
  '--no-warnings',
  '--secure-heap',
  '--secure-heap-min',
  '--stack-trace-limit',
  '--trace-warnings',
  '--use-bundled-ca',
  '--use-openssl-ca',
  '--use-system-ca',
]);

/** Read by Node itself: they write what goes through the process to standard error or into files. */
const REFUSED_VARIABLES = ['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE'];

const LIMITS_FILE = '/proc/self/limits';

/** How the process was started. */
interface Started {
  readonly execArgv: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

const THIS_PROCESS: Started = { execArgv: process.execArgv, environment: process.env };

/** @throws ERR_CONFIG_INVALID for a production broker whose process is open to others. */
export function refuseOpenProcess(
  { mode }: Pick<Config, 'mode'>,
  { execArgv, environment }: Started = THIS_PROCESS,
): void {
  if (mode !== 'production') return;
  const option = refusedOption(execArgv) ?? refusedOption(wordsOf(environment['NODE_OPTIONS']));
  if (option !== undefined) {
    const detail = `Node was started with ${option}, which may open the broker's memory to others: remove it from its arguments and from NODE_OPTIONS`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail);
  }
  const variable = REFUSED_VARIABLES.find((name) => (environment[name] ?? '') !== '');
  if (variable === undefined) return;
  const detail = `the environment has ${variable}, with which Node writes down what goes through the broker: remove it`;
  throw new BrokerError('ERR_CONFIG_INVALID', detail);
}

/** Whether a crash would write the memory of the process into a file; false where the system does not say. */
export function mayDumpCore(limitsFile = LIMITS_FILE): boolean {
  let text: string;
  try {
    text = readFileSync(limitsFile, 'utf8');
  } catch {
    return false;
  }
  const [, soft] = /^Max core file size +(\S+)/m.exec(text) ?? [];
  return soft !== undefined && soft !== '0';
}

/** The first option that is not harmless, without its value. Words that are not options are the values of the options before them. */
function refusedOption(words: readonly string[]): string | undefined {
  return words
    .filter((word) => word.startsWith('-'))
    .map((word) => word.split('=', 1)[0] ?? word)
    .find((name) => !HARMLESS.has(name.replaceAll('_', '-')));
}

/** As Node reads the variable: words between blanks, without quotes and backslashes. */
function wordsOf(options = ''): readonly string[] {
  return options.replaceAll(/["\\]/g, '').split(/\s+/);
}
