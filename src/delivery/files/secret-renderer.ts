import type { SecretData } from '../../domain/secret.ts';
import type { HeldSecret } from './held-secret.ts';
import { DeliveryError } from '../failures.ts';
import type { Format } from './file-options.ts';
import {
  renderDotenv,
  renderJson,
  renderKeyFiles,
  renderProperties,
  yamlRenderer,
} from './formats.ts';
import type { FileOutput, RenderedFile } from './outputs.ts';

type Render = (data: SecretData) => Buffer;

/** Renders secrets that have a file of their own, each in its format. */
export class SecretRenderer {
  readonly #renderers: ReadonlyMap<Format, Render>;

  private constructor(renderers: ReadonlyMap<Format, Render>) {
    this.#renderers = renderers;
  }

  /** Loads the libraries that the formats need. */
  static async prepare(formats: ReadonlySet<Format>): Promise<SecretRenderer> {
    const renderers = new Map<Format, Render>([
      ['json', renderJson],
      ['dotenv', renderDotenv],
      ['properties', renderProperties],
    ]);
    if (formats.has('yaml')) renderers.set('yaml', await yamlRenderer());
    return new SecretRenderer(renderers);
  }

  /** @throws DeliveryError that names secret and key, and no value. */
  render(output: FileOutput, { data, name }: HeldSecret): readonly RenderedFile[] {
    try {
      return this.#render(output, data.reveal());
    } catch (error) {
      if (error instanceof DeliveryError)
        throw new DeliveryError(`secret ${name}: ${error.message}`);
      throw new DeliveryError(`secret ${name}: cannot be written as ${output.format}`);
    }
  }

  #render(output: FileOutput, data: SecretData): readonly RenderedFile[] {
    const { file, format, mode, owner, group } = output;
    if (format === 'files') {
      return renderKeyFiles(data).map(([key, bytes]) => ({
        target: `${file}/${key}`,
        bytes,
        mode,
        owner,
        group,
      }));
    }
    const render = this.#renderers.get(format);
    if (render === undefined) throw new DeliveryError(`format ${format} is not supported`);
    return [{ target: file, bytes: render(data), mode, owner, group }];
  }
}
