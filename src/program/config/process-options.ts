import { readFileSync } from 'node:fs';
import { BrokerError } from '../../domain/errors.ts';
import type { Config } from './schema.ts';

/**
 * Node options that a broker may be started with: sizes, system certificates, messages on standard error. All others are refused, because many expose
 * the process:
 * - a debugger (`--inspect`)
 * - foreign code (`--require`, `--import`)
 * - memory in a file (`--heapsnapshot-signal`, `--report-on-signal`)
 * - TLS keys in a file (`--tls-keylog`)
 */
const HARMLESS: ReadonlySet<string> = new Set([
  '--disable-sigusr1',
  '--disable-warning',
  '--dns-result-order',
  '--enable-source-maps',
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

/** Node itself reads these variables, and then writes data of the process to standard error or into files. */
const REFUSED_VARIABLES = ['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE'];

/** Facts about the start of the process. */
interface Started {
  readonly execArgv: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

const THIS_PROCESS: Started = { execArgv: process.execArgv, environment: process.env };

/** @throws ERR_CONFIG_INVALID for a production broker with a process option or variable that exposes the process. */
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

/** Treatment of a crash of this process by the system. */
export interface CoreFiles {
  /** True if a crash may write memory of the process into a file, or pass it to a program. */
  readonly haveMemory: boolean;
  /** Path to which the kernel writes core files, or the program that it passes them to after `|`. */
  readonly pattern: string;
}

/** Reads the settings of core files; undefined if the system reports nothing about them. */
export function coreFiles(proc = '/proc'): CoreFiles | undefined {
  const pattern = textOf(`${proc}/sys/kernel/core_pattern`) ?? '';
  const filter = textOf(`${proc}/self/coredump_filter`);
  if (filter !== undefined && Number.parseInt(filter, 16) === 0)
    return { haveMemory: false, pattern };
  const [, limit] = /^Max core file size +(\S+)/m.exec(textOf(`${proc}/self/limits`) ?? '') ?? [];
  if (limit === undefined) return undefined;
  // A pipe ignores the limit, except for 1, which the kernel takes for a crash of that program itself (core(5)).
  const harmless = pattern.startsWith('|') ? ['1'] : ['0', '1'];
  return { haveMemory: !harmless.includes(limit), pattern };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The first refused option, without its value. Words that are not options are values of the preceding option. */
function refusedOption(words: readonly string[]): string | undefined {
  return words
    .filter((word) => word.startsWith('-'))
    .map((word) => word.split('=', 1)[0] ?? word)
    .find((name) => !HARMLESS.has(name.replaceAll('_', '-')));
}

/** Splits the variable as Node does: words between blanks, without quotes and backslashes. */
function wordsOf(options = ''): readonly string[] {
  return options.replaceAll(/["\\]/g, '').split(/\s+/);
}
