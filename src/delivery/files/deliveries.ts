import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { DeliveredSecret } from './delivered-secret.ts';
import { ConfigError, DeliveryError } from '../failures.ts';
import { SecretDirectory, type Replacement } from './directory/secret-directory.ts';
import { directoryMode, targetConflicts, type FileOutput, type Outputs } from './outputs.ts';
import { renderSecret } from './secret-renderer.ts';
import { TemplateRenderer } from './template-renderer.ts';

export interface DeliveryDeps {
  readonly clock: Clock;
  readonly log: Log;
}

interface Parts {
  readonly files: readonly FileOutput[];
  readonly templates: TemplateRenderer;
  readonly directory: SecretDirectory | undefined;
}

/** Writes the configured files of all secrets in one step. */
export class Deliveries {
  readonly #parts: Parts;
  /** Names of revoked secrets that were not received again. */
  #gone: ReadonlySet<string> = new Set();
  #held: ReadonlyMap<string, DeliveredSecret> = new Map();
  #writes = 0;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Reads templates, opens the directory and loads all libraries.
   * @throws ConfigError with every problem.
   */
  static async prepare(outputs: Outputs, deps: DeliveryDeps): Promise<Deliveries> {
    const problems = [...targetConflicts(outputs)];
    const files = outputs.secrets.filter(
      (output): output is FileOutput => output.file !== undefined,
    );
    const templates = await TemplateRenderer.prepare(outputs, problems);
    const places = [...files, ...outputs.templates];
    if (places.length === 0) return new Deliveries({ files, templates, directory: undefined });
    const opening = () => SecretDirectory.open(outputs.directory, directoryMode(places), deps);
    const directory = opened(opening, problems);
    for (const { file } of places) {
      const obstacle = directory?.obstacle(file);
      if (obstacle !== undefined) problems.push(`${outputs.directory}/${file}: ${obstacle}`);
    }
    if (problems.length > 0) {
      directory?.close();
      throw new ConfigError('files', problems);
    }
    for (const warning of directory?.warnings ?? [])
      deps.log.warn({ directory: outputs.directory }, warning);
    return new Deliveries({ files, templates, directory });
  }

  /**
   * Writes the files of these secrets. On failure all files stay unchanged.
   * @param held by name; the file of an optional secret without a value is left out. @throws DeliveryError without any value.
   */
  deliver(held: ReadonlyMap<string, DeliveredSecret>): Promise<Replacement> {
    return runAsPromise(() => {
      const gone = new Set([...this.#gone].filter((name) => !held.has(name)));
      const replacement = this.#write(held, gone);
      this.#held = held;
      this.#gone = gone;
      return replacement;
    });
  }

  /** Removes the files of these secrets, and of templates that use them. @throws DeliveryError. */
  remove(names: readonly string[]): Promise<void> {
    return runAsPromise(() => {
      this.#gone = new Set([...this.#gone, ...names]);
      this.#held = new Map([...this.#held].filter(([name]) => !this.#gone.has(name)));
      this.#write(this.#held, this.#gone);
    });
  }

  /** True if an earlier agent changed files and did not finish the notification of the application. */
  get isNotificationPending(): boolean {
    return this.#writes === 0 && this.#parts.directory?.isNotificationPending === true;
  }

  /** A notification of the application begins. @returns to be called when it uses the present files */
  beginNotification(): () => void {
    const notified = this.#writes;
    return () => {
      if (notified === this.#writes) this.#parts.directory?.setNotificationPending(false);
    };
  }

  /** Removes every file. @throws DeliveryError. */
  removeAll(): Promise<void> {
    return runAsPromise(() => {
      this.#parts.directory?.replace([]);
      this.#held = new Map();
    });
  }

  /** Removes superseded files now; the current ones stay. It must be called before the process ends. */
  close(): void {
    this.#parts.directory?.close();
  }

  #write(held: ReadonlyMap<string, DeliveredSecret>, gone: ReadonlySet<string>): Replacement {
    const { files, templates, directory } = this.#parts;
    if (directory === undefined) return { changed: [], replaced: [] };
    this.#writes += 1;
    directory.setNotificationPending(true);
    const rendered = files.flatMap((output) => {
      const secret = held.get(output.name);
      return secret === undefined ? [] : renderSecret(output, secret);
    });
    return directory.replace([...rendered, ...templates.render(held, gone)]);
  }
}

function opened(opening: () => SecretDirectory, problems: string[]): SecretDirectory | undefined {
  try {
    return opening();
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** Files are written synchronously: a delivery completes within one turn of the event loop, so two never interleave. */
function runAsPromise<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
