import type { Clock } from '../ports/clock.ts';
import type { Broker } from './broker.ts';
import type { CliEnvironment } from './environment.ts';
import type { Output } from './output/output.ts';

/** What every verb has. */
export interface CliContext {
  readonly output: Output;
  readonly environment: CliEnvironment;
  readonly clock: Clock;
  /** Aborted by Ctrl-C, or by a request to end. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadStream;
  /** As the options and the environment say, logged in at the first use. @throws UsageError when nobody is logged in */
  readonly broker: () => Promise<Broker>;
}

/** What was written behind the verb. */
export interface Call<Options> {
  readonly args: readonly string[];
  readonly options: Options;
}

export type Verb<Options> = (context: CliContext, call: Call<Options>) => Promise<unknown>;
