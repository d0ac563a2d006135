import { constants } from 'node:os';
import { systemClock } from '../../../process/clock.ts';
import type { Agent } from '../agent.ts';
import { Child } from '../child/child.ts';
import { childEnvironment } from '../child/environment.ts';
import type { Environment } from '../environment.ts';
import type { Settings } from '../../settings/settings.ts';
import { AgentFailure, ConfigError, DeliveryError, EXIT } from '../../failures.ts';
import { buildAgent, type BuiltAgent } from './build-agent.ts';
import { LocalServers } from './local-servers.ts';

const FORWARDED = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const;
/** Signals that end the agent before the child is started. */
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** Delivers, then runs a program until it ends. @returns its exit code. @throws AgentFailure */
export async function runExec(
  settings: Settings,
  words: readonly string[],
  environment: Environment,
): Promise<number> {
  const command = words.length > 0 ? words : settings.exec.command;
  if (command === undefined) {
    throw new ConfigError('exec', ['needs a command: after "--", or as exec.command']);
  }
  const outcome = Promise.withResolvers<number>();
  const quit = new AbortController();
  let child: Child | undefined;
  const forward = (signal: NodeJS.Signals): void => {
    if (child !== undefined) child.signal(signal);
    else if (ENDING.includes(signal)) {
      outcome.resolve(128 + constants.signals[signal]);
      quit.abort();
    }
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const environmentOf = (agent: Agent) => () =>
    childEnvironment(settings.exec.environment, agent.values(), environment);
  const built = await buildAgent(settings, {
    isResident: true,
    child: () => notifyChild(child, settings, built, environmentOf(built.agent)),
  });
  const { agent, log, close } = built;
  let servers: LocalServers | undefined;
  try {
    servers = await LocalServers.listen(settings, agent, () => {
      if (child === undefined) forward('SIGTERM');
      void child?.end().then((failure) => {
        if (failure !== undefined) outcome.reject(new AgentFailure(EXIT.internal, failure));
      });
    });
    await agent.start(quit.signal);
    // A signal may have arrived while the last file was written.
    quit.signal.throwIfAborted();
    child = new Child({ command, settings: settings.exec, clock: systemClock, log });
    child.start(environmentOf(agent)());
    void child.exit.then(outcome.resolve);
    agent.run(quit.signal).catch(outcome.reject);
    return await outcome.promise;
  } catch (error) {
    if (quit.signal.aborted) return await outcome.promise;
    throw error;
  } finally {
    quit.abort();
    await child?.end();
    await agent.stop();
    await servers?.close();
    close();
  }
}

/** @returns why the child did not get the new values, as a code */
async function notifyChild(
  child: Child | undefined,
  { exec }: Settings,
  { log }: Pick<BuiltAgent, 'log'>,
  environment: () => Record<string, string | undefined>,
): Promise<string | undefined> {
  if (child === undefined || exec.onChange === 'none') return undefined;
  if (exec.onChange === 'signal') return child.signal(exec.signal);
  try {
    return await child.restart(environment);
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    log.error({ error: error.message }, 'the program still runs with its former values');
    return 'environment_failed';
  }
}
