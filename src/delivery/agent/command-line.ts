import { parseArgs } from 'node:util';
import { parseDuration } from '../../domain/policy/duration.ts';
import { ConfigError } from '../failures.ts';

/** A parsed command. Times in milliseconds. */
export type Command =
  | { readonly verb: 'help' }
  | { readonly verb: 'resident'; readonly config: string | undefined }
  | { readonly verb: 'once'; readonly config: string | undefined; readonly timeoutMs: number }
  | {
      readonly verb: 'exec';
      readonly config: string | undefined;
      readonly words: readonly string[];
    }
  | { readonly verb: 'config check'; readonly config: string | undefined }
  | {
      readonly verb: 'healthcheck' | 'quit';
      readonly config: string | undefined;
      readonly port: number | undefined;
      readonly isReady: boolean;
    };

export const USAGE = `Usage: quaymaster agent [--config FILE]                    deliver secrets and keep them current
       quaymaster agent --once [--timeout 5m]             deliver secrets once and exit
       quaymaster agent exec [--config FILE] [-- COMMAND ARGUMENTS…]
                                                          deliver secrets, then run a program
       quaymaster agent config check [--config FILE]      validate the configuration
       quaymaster agent healthcheck [--ready] [--port N]  exit 0 if the agent of this pod is alive, or ready
       quaymaster agent quit [--port N]                   stop the agent of this pod

Without --config the agent reads $QUAYMASTER_CONFIG, which contains the YAML itself, or /etc/quaymaster/agent.yaml if it
exists, or only the environment. Exit codes: 0 success, 2 invalid configuration, 3 broker not reached in time, 4 access
denied, 5 delivery failed, 1 any other failure; exec: the exit code of the program.

Examples:
  quaymaster agent --config agent.yaml
  quaymaster agent exec --config agent.yaml -- node server.js
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  once: { type: 'boolean' },
  timeout: { type: 'string' },
  ready: { type: 'boolean' },
  port: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
type Name = keyof typeof OPTIONS;
type Values = ReturnType<typeof parse>['values'];

/** The options of each verb. */
const ACCEPTED: Readonly<Record<string, readonly Name[]>> = {
  '': ['config', 'once', 'timeout'],
  exec: ['config'],
  'config check': ['config'],
  healthcheck: ['config', 'ready', 'port'],
  quit: ['config', 'port'],
};
const DEFAULT_TIMEOUT = '5m';
/** Node's timers fire at once if the delay is over 24 days. */
const LONGEST_TIMEOUT_SECONDS = 7 * 24 * 3_600;

/** Parses the arguments after `quaymaster agent`. @throws ConfigError */
export function parseCommand(words: readonly string[]): Command {
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const { values, positionals } = parse(own);
  if (values.help === true) return { verb: 'help' };
  const verb = positionals.join(' ');
  const accepted = Object.hasOwn(ACCEPTED, verb) ? ACCEPTED[verb] : undefined;
  if (accepted === undefined) throw unusable(`unknown command "${verb}"`);
  const foreign = Object.keys(values).find((name) => !accepted.includes(name as Name));
  if (foreign !== undefined) throw unusable(`--${foreign} is not an option of this command`);
  if (dashes >= 0 && verb !== 'exec') throw unusable('only exec accepts a command after --');
  return commandOf(verb, values, dashes < 0 ? [] : words.slice(dashes + 1));
}

function commandOf(verb: string, values: Values, words: readonly string[]): Command {
  const { config } = values;
  if (verb === 'exec') return { verb, config, words };
  if (verb === 'config check') return { verb, config };
  if (verb === 'healthcheck' || verb === 'quit') {
    return { verb, config, port: portOf(values.port), isReady: values.ready === true };
  }
  const seconds = parseDuration(values.timeout ?? DEFAULT_TIMEOUT);
  if (seconds === undefined || seconds > LONGEST_TIMEOUT_SECONDS) {
    throw unusable('--timeout must be a whole number with s, m, h or d, at most 7d');
  }
  if (values.once === true) return { verb: 'once', config, timeoutMs: seconds * 1000 };
  if (values.timeout !== undefined) throw unusable('--timeout needs --once');
  return { verb: 'resident', config };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw unusable((error as Error).message);
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port <= 65_535) return port;
  throw unusable('--port must be a number from 1 to 65535');
}

function unusable(what: string): ConfigError {
  return new ConfigError('arguments', [what, 'see quaymaster agent --help']);
}
