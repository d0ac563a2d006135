import { parseCommand, USAGE, type Command } from './command-line.ts';
import type { Environment } from './environment.ts';
import { loadSettings } from './load-settings.ts';
import { ConfigError, EXIT } from '../failures.ts';
import { outputsOf, type Settings } from '../settings/settings.ts';

const DEFAULT_HEALTH = { host: '127.0.0.1', port: 8210 };

/** Runs a verb; each is loaded when it is used. @returns the exit code. @throws AgentFailure */
export async function runCommandLine(
  words: readonly string[],
  environment: Environment,
  print: (text: string) => void,
): Promise<number> {
  const command = parseCommand(words);
  if (command.verb === 'help') {
    print(USAGE);
    return EXIT.done;
  }
  if (command.verb === 'healthcheck' || command.verb === 'quit') return ask(command, environment);
  const settings = await loadSettings(command.config, environment);
  if (command.verb === 'config check') {
    await checkOutputs(settings);
    print('the configuration is valid\n');
    return EXIT.done;
  }
  if (command.verb === 'once') {
    const { runOnce } = await import('./verbs/run-once.ts');
    return runOnce(settings, command.timeoutMs);
  }
  if (command.verb === 'exec') {
    const { runExec } = await import('./verbs/run-exec.ts');
    return runExec(settings, command.words, environment);
  }
  const { runResident } = await import('./verbs/run-resident.ts');
  return runResident(settings);
}

/** Problems that the schema cannot see: overlapping targets, templates. @throws ConfigError with every problem */
async function checkOutputs(settings: Settings): Promise<void> {
  const { outputProblems } = await import('../files/template-renderer.ts');
  const problems = await outputProblems(outputsOf(settings));
  if (problems.length > 0) throw new ConfigError('files', problems);
}

type Ask = Extract<Command, { readonly verb: 'healthcheck' | 'quit' }>;

/** Calls the agent at the port of the command line, or that of the configuration. */
async function ask(command: Ask, environment: Environment): Promise<number> {
  const { askAgent } = await import('./verbs/ask-agent.ts');
  const { verb, port, isReady, config } = command;
  const health =
    port === undefined
      ? ((await loadSettings(config, environment)).health ?? DEFAULT_HEALTH)
      : { ...DEFAULT_HEALTH, port };
  const host = ['0.0.0.0', '::'].includes(health.host) ? '127.0.0.1' : health.host;
  if (verb === 'quit') return askAgent({ ...health, host, method: 'POST', path: '/quit' });
  return askAgent({ ...health, host, method: 'GET', path: isReady ? '/readyz' : '/healthz' });
}
