import { until } from '../backends/until.ts';
import { Installation } from '../broker/installation.ts';
import { CommandLine } from '../cli/command-line.ts';
import type { Prometheus } from './prometheus.ts';

export const INSTRUMENTS = ['metrics', 'readyz', 'status', 'doctor', 'log', 'alert'] as const;
type Instrument = (typeof INSTRUMENTS)[number];

/** Texts that each instrument must show. */
export type Row = Readonly<Record<Instrument, readonly string[]>>;
/** The text that each instrument shows. */
export type Observed = Readonly<Record<Instrument, string>>;

/** A built broker in one state, with the instruments that look at it. */
export class ObservedBroker {
  readonly installation: Installation;
  token = '';
  /** Variables of the command line, if its address is not the usual one. */
  address: Readonly<Record<string, string>> = {};
  /** Another process of the installation that writes a log. */
  beside: { readonly output: string } | undefined;
  /** Ends what happens to the broker from outside, so that it can stop. */
  undo: () => Promise<void> = () => Promise.resolve();
  readonly metricsPort: number;

  private constructor(installation: Installation, metricsPort: number) {
    this.installation = installation;
    this.metricsPort = metricsPort;
  }

  static async make(metricsPort: number): Promise<ObservedBroker> {
    return new ObservedBroker(await Installation.make(), metricsPort);
  }

  async configure(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const metrics = { listener: { port: this.metricsPort } };
    await this.installation.configure({ metrics, ...more });
  }

  /** Configures and initialises a store, and starts it. */
  async serve(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.configure(more);
    this.token = await this.installation.initialise();
    await this.installation.start();
  }

  /** Starts a broker that does not become ready. */
  begin(): void {
    // The end of the test stops it.
    this.installation.start().catch(() => undefined);
  }

  /** Waits until the metrics have this line. */
  async until(line: RegExp): Promise<void> {
    await until(`metrics have ${String(line)}`, async () => line.test(await this.#get('metrics')));
  }

  /** Reads each instrument until it says what it must: they follow a state at different times. */
  async waitFor(row: Row, prometheus: Prometheus): Promise<Observed> {
    const shell = await CommandLine.make({
      QUAYMASTER_URL: this.installation.url,
      QUAYMASTER_TOKEN_FILE: await this.installation.write('operator.token', this.token),
      ...this.address,
    });
    const run = async (verb: string): Promise<string> => {
      const { code, out, err } = await shell.run(verb);
      return `exit ${code}\n${out}${err}`;
    };
    const read: Readonly<Record<Instrument, () => Promise<string> | string>> = {
      metrics: () => this.#get('metrics'),
      readyz: () => this.#get('readyz'),
      status: () => run('status'),
      doctor: () => run('doctor'),
      log: () => this.installation.output + (this.beside?.output ?? ''),
      alert: async () => (await prometheus.alerts(this.metricsPort)).join('\n'),
    };
    const seen: Record<string, string> = {};
    try {
      for (const instrument of INSTRUMENTS) {
        const wanted = row[instrument];
        await until(`${instrument}: ${wanted.join(', ')}`, async () => {
          const text = await read[instrument]();
          seen[instrument] = text;
          return wanted.every((each) => text.includes(each));
        }).catch((cause: unknown) => {
          const text = `${seen[instrument] ?? ''}\n${this.installation.output}`;
          throw new Error(`${instrument} does not say ${wanted.join(', ')}:\n${text}`, { cause });
        });
      }
      return seen as Observed;
    } finally {
      await shell.remove();
    }
  }

  /** An answer of the listener of metrics, which is open in every state. */
  async #get(path: 'metrics' | 'readyz'): Promise<string> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.metricsPort}/${path}`);
      return `${answer.status} ${await answer.text()}`;
    } catch (error) {
      return String((error as Error).cause);
    }
  }

  async remove(): Promise<void> {
    await this.undo();
    await this.installation.remove();
  }
}
