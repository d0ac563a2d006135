import { parseArgs } from 'node:util';
import { parseDuration } from '../../domain/policy/duration.ts';
import { ConfigError } from '../failures.ts';

/** What the agent is asked to do. Times in milliseconds. */
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

export const USAGE = `Usage: quaymaster agent [--config FILE]                    deliver, and stay
       quaymaster agent --once [--timeout 5m]             deliver, and end
       quaymaster agent exec [--config FILE] [-- COMMAND ARGUMENTS…]
                                                          deliver, and run a program
       quaymaster agent config check [--config FILE]      say all that is wrong with the configuration
       quaymaster agent healthcheck [--ready] [--port N]  exit 0 when the agent of this pod is alive, or ready
       quaymaster agent quit [--port N]                   tell the agent of this pod to end

Without --config: $QUAYMASTER_CONFIG, which holds the YAML itself, else /etc/quaymaster/agent.yaml where it is there, else
the environment alone. Exit codes: 0 done, 2 bad configuration, 3 the broker could not be reached in time, 4 denied,
5 not delivered, 1 anything else; exec: the program's own.
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

/** Which options each verb has. */
const ACCEPTED: Readonly<Record<string, readonly Name[]>> = {
  '': ['config', 'once', 'timeout'],
  exec: ['config'],
  'config check': ['config'],
  healthcheck: ['config', 'ready', 'port'],
  quit: ['config', 'port'],
};
const DEFAULT_TIMEOUT = '5m';
/** Node's timers take 24 days for none at all. */
const LONGEST_TIMEOUT_SECONDS = 7 * 24 * 3_600;

/** The words after `quaymaster agent`. @throws ConfigError */
export function parseCommand(words: readonly string[]): Command {
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const { values, positionals } = parse(own);
  if (values.help === true) return { verb: 'help' };
  const verb = positionals.join(' ');
  const accepted = ACCEPTED[verb];
  if (accepted === undefined) throw unusable(`"${verb}" is not known`);
  const foreign = Object.keys(values).find((name) => !accepted.includes(name as Name));
  if (foreign !== undefined) throw unusable(`--${foreign} does not belong here`);
  if (dashes >= 0 && verb !== 'exec') throw unusable('only exec runs a command');
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
    throw unusable('--timeout is a whole number and one of s, m, h, d, and at most 7d');
  }
  if (values.once === true) return { verb: 'once', config, timeoutMs: seconds * 1000 };
  if (values.timeout !== undefined) throw unusable('--timeout belongs to --once');
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
  throw unusable('--port is a number from 1 to 65535');
}

function unusable(what: string): ConfigError {
  return new ConfigError('arguments', [what, 'see quaymaster agent --help']);
}
