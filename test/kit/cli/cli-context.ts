import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Broker } from '../../../src/cli/connection/broker.ts';
import type { Target } from '../../../src/cli/connection/connection.ts';
import type { CliContext } from '../../../src/cli/connection/context.ts';
import type { Format } from '../../../src/cli/output/formats.ts';
import { Output } from '../../../src/cli/output/output.ts';
import { HandClock } from '../time/hand-clock.ts';

export interface CapturedContext extends CliContext {
  readonly out: () => string;
  readonly err: () => string;
}

interface Circumstances {
  readonly broker?: Broker;
  readonly format?: Format;
  readonly stdin?: string;
  readonly configDirectory?: string;
  readonly inherited?: NodeJS.ProcessEnv;
  /** True if standard output is a terminal. */
  readonly isTerminal?: boolean;
  readonly signal?: AbortSignal;
  /** The error code of every write to standard output. */
  readonly unwritable?: string;
}

const TARGET: Target = {
  profileName: 'default',
  profile: {
    url: 'https://broker.example',
    login: { kind: 'operator', token: `qmo_${'0'.repeat(49)}` },
  },
};

/** The context of a verb, which keeps the verb's output. */
export function cliContext(given: Circumstances = {}): CapturedContext {
  const { broker, format = 'table', stdin = '', configDirectory = '/nowhere' } = given;
  const stdout = Object.assign(new Capture(given.unwritable), { isTTY: given.isTerminal ?? false });
  const stderr = new Capture();
  const input = new PassThrough();
  input.end(stdin);
  return {
    output: new Output(format, { stdout, stderr }),
    environment: {
      url: undefined,
      tokenFile: undefined,
      caFile: undefined,
      profile: undefined,
      configDirectory,
      inherited: given.inherited ?? {},
      keyDirectories: [join(configDirectory, '../keys')],
    },
    clock: new HandClock(Date.parse('2026-01-05T10:00:00Z')),
    signal: given.signal ?? new AbortController().signal,
    handOverSignals: () => undefined,
    stdin: input as unknown as NodeJS.ReadStream,
    target: () => Promise.resolve(TARGET),
    broker: () =>
      broker === undefined ? Promise.reject(new Error('no broker')) : Promise.resolve(broker),
    out: () => stdout.text,
    err: () => stderr.text,
  };
}

class Capture extends Writable {
  text = '';
  readonly #unwritable: string | undefined;

  constructor(unwritable?: string) {
    super();
    this.#unwritable = unwritable;
    // As for the streams of the process, the write itself reports the error.
    this.on('error', () => undefined);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.#unwritable !== undefined) {
      done(Object.assign(new Error('unwritable'), { code: this.#unwritable }));
      return;
    }
    this.text += chunk.toString();
    done();
  }
}
