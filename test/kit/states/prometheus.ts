import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { dump } from 'js-yaml';
import { freePort } from '../backends/free-port.ts';
import { endProcess, type ProcessId } from '../backends/process-id.ts';
import { startServer } from '../backends/server-process.ts';
import type { Tool } from '../backends/tool.ts';

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
}

/** A real Prometheus with the shipped alert rules, which scrapes the given ports of this machine every second. */
export class Prometheus {
  readonly #url: string;
  readonly #process: ProcessId;

  private constructor(url: string, process: ProcessId) {
    this.#url = url;
    this.#process = process;
  }

  static async start({ program, directory }: Tool, ports: readonly number[]): Promise<Prometheus> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const config = join(directory, 'prometheus.yml');
    const targets = ports.map((each) => `127.0.0.1:${each}`);
    await writeFile(
      config,
      dump({
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: [resolve('deploy/prometheus/alerts.yaml')],
        scrape_configs: [{ job_name: 'any', static_configs: [{ targets }] }],
      }),
    );
    // The package has both programs.
    const command = join(dirname(program), 'prometheus');
    const process = await startServer({
      command,
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      cwd: directory,
      logFile: join(directory, 'prometheus.log'),
      keep: false,
      ready: async () => (await fetch(`${url}/-/ready`)).ok,
    });
    return new Prometheus(url, process);
  }

  /** Names of the alerts of one target whose expression is true now: those that fire, and those that wait for the time of their `for`. */
  async alerts(port?: number): Promise<readonly string[]> {
    const answer = await fetch(`${this.#url}/api/v1/alerts`);
    const { data } = (await answer.json()) as { data: { alerts: readonly Alert[] } };
    const instance = port === undefined ? undefined : `127.0.0.1:${port}`;
    return data.alerts
      .filter(({ labels }) => labels['instance'] === instance)
      .map(({ labels }) => labels['alertname'] ?? '');
  }

  stop(): Promise<void> {
    return endProcess(this.#process);
  }
}
