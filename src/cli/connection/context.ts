import type { Clock } from '../../ports/clock.ts';
import type { Broker } from './broker.ts';
import type { Target } from './connection.ts';
import type { CliEnvironment } from './environment.ts';
import type { Input } from '../input/ask.ts';
import type { Output } from '../output/output.ts';

/** Context that every verb receives. */
export interface CliContext extends Input {
  readonly output: Output;
  readonly environment: CliEnvironment;
  readonly clock: Clock;
  /** Stops turning Ctrl-C and SIGTERM into `signal`: a verb that runs another program passes them on. */
  readonly handOverSignals: () => void;
  /** The broker and the login that options, environment and profile name. @throws UsageError if there is none */
  readonly target: () => Promise<Target>;
  /** Returns the client of the target, logged in at the first use. @throws UsageError if there is no login */
  readonly broker: () => Promise<Broker>;
}

/** The arguments and options of a command. */
export interface Call<Options> {
  readonly args: readonly string[];
  readonly options: Options;
}

export type Verb<Options> = (context: CliContext, call: Call<Options>) => Promise<unknown>;
