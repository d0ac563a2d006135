import type { SecretData } from '../../domain/secret.ts';
import type { HeldSecret } from './held-secret.ts';
import type { Format } from '../settings/outputs.ts';
import { DeliveryError } from '../failures.ts';
import { renderDotenv } from './formats.ts';
import { renderJson } from './formats/json.ts';
import { keyFiles } from './formats/key-files.ts';
import { renderProperties } from './formats/properties.ts';
import { yamlRenderer } from './formats/yaml.ts';
import type { FileOutput } from './outputs.ts';
import type { RenderedFile } from './rendered-file.ts';

type Render = (data: SecretData) => Buffer;

/** Makes the files of secrets that have some of their own, each in its format. */
export class SecretRenderer {
  readonly #renderers: ReadonlyMap<Format, Render>;

  private constructor(renderers: ReadonlyMap<Format, Render>) {
    this.#renderers = renderers;
  }

  /** Loads what the formats need. */
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
      return keyFiles(data).map(([key, bytes]) => ({
        target: `${file}/${key}`,
        bytes,
        mode,
        owner,
        group,
      }));
    }
    const render = this.#renderers.get(format);
    if (render === undefined) throw new DeliveryError(`there is no format ${format}`);
    return [{ target: file, bytes: render(data), mode, owner, group }];
  }
}
