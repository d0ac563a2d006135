import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { HeldSecret } from './held-secret.ts';
import { ConfigError, DeliveryError } from '../failures.ts';
import { SecretDirectory, type Replacement } from './directory/secret-directory.ts';
import { directoryMode, targetConflicts, type FileOutput, type Outputs } from './outputs.ts';
import { SecretRenderer } from './secret-renderer.ts';
import { TemplateRenderer } from './template-renderer.ts';

export interface DeliveryDeps {
  readonly clock: Clock;
  readonly log: Log;
}

interface Parts {
  readonly files: readonly FileOutput[];
  readonly secrets: SecretRenderer;
  readonly templates: TemplateRenderer;
  readonly directory: SecretDirectory | undefined;
}

/** Turns secrets into the files that the configuration asks for, all of them at once. */
export class Deliveries {
  readonly #parts: Parts;
  /** Names of secrets that were taken away and have not come back. */
  #gone: ReadonlySet<string> = new Set();
  #held: ReadonlyMap<string, HeldSecret> = new Map();
  #writes = 0;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Reads templates and opens the directory; whatever is loaded is loaded here.
   * @throws ConfigError with every problem.
   */
  static async prepare(outputs: Outputs, deps: DeliveryDeps): Promise<Deliveries> {
    const problems = [...targetConflicts(outputs)];
    const files = outputs.secrets.filter(
      (output): output is FileOutput => output.file !== undefined,
    );
    const secrets = await SecretRenderer.prepare(new Set(files.map(({ format }) => format)));
    const templates = await TemplateRenderer.prepare(outputs, problems);
    const places = [...files, ...outputs.templates];
    if (places.length === 0)
      return new Deliveries({ files, secrets, templates, directory: undefined });
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
    return new Deliveries({ files, secrets, templates, directory });
  }

  /**
   * Makes the files say what these secrets say. On failure all files stay as they were.
   * @param held by name; what an optional secret would say is left out where it is not here. @throws DeliveryError without any value.
   */
  deliver(held: ReadonlyMap<string, HeldSecret>): Promise<Replacement> {
    return settled(() => {
      const gone = new Set([...this.#gone].filter((name) => !held.has(name)));
      const replacement = this.#write(held, gone);
      this.#held = held;
      this.#gone = gone;
      return replacement;
    });
  }

  /** Takes away the files of secrets, and of templates that use them; the others stay. @throws DeliveryError. */
  remove(names: readonly string[]): Promise<void> {
    return settled(() => {
      this.#gone = new Set([...this.#gone, ...names]);
      this.#held = new Map([...this.#held].filter(([name]) => !this.#gone.has(name)));
      this.#write(this.#held, this.#gone);
    });
  }

  /** Whether an agent before this one has changed something, and the application was not told of it to the end. */
  get isLeftUntold(): boolean {
    return this.#writes === 0 && this.#parts.directory?.isUntold === true;
  }

  /** The application is being told. @returns to be called when it took what lies here now */
  telling(): () => void {
    const told = this.#writes;
    return () => {
      if (told === this.#writes) this.#parts.directory?.markUntold(false);
    };
  }

  /** Takes away every file. @throws DeliveryError. */
  removeAll(): Promise<void> {
    return settled(() => {
      this.#parts.directory?.replace([]);
      this.#held = new Map();
    });
  }

  /** To be called before the process ends: superseded files go now, the current ones stay. */
  close(): void {
    this.#parts.directory?.close();
  }

  #write(held: ReadonlyMap<string, HeldSecret>, gone: ReadonlySet<string>): Replacement {
    const { files, secrets, templates, directory } = this.#parts;
    if (directory === undefined) return { changed: [], replaced: [] };
    this.#writes += 1;
    directory.markUntold(true);
    const rendered = files.flatMap((output) => {
      const secret = held.get(output.name);
      return secret === undefined ? [] : secrets.render(output, secret);
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

/** Files in memory are written without waiting: a delivery is over before the loop turns, and two never interleave. */
function settled<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
