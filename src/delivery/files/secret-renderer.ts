import type { SecretData } from '../../domain/secrets/secret.ts';
import type { DeliveredSecret } from './delivered-secret.ts';
import { DeliveryError } from '../failures.ts';
import type { Format } from './file-options.ts';
import {
  renderDotenv,
  renderJson,
  renderKeyFiles,
  renderProperties,
  renderYaml,
} from './formats.ts';
import type { FileOutput, RenderedFile } from './outputs.ts';

const RENDERERS: Readonly<Record<Exclude<Format, 'files'>, (data: SecretData) => Buffer>> = {
  json: renderJson,
  dotenv: renderDotenv,
  properties: renderProperties,
  yaml: renderYaml,
};

/** The files of a secret in its format. @throws DeliveryError that names secret and key, and no value */
export function renderSecret(
  output: FileOutput,
  { data, name }: DeliveredSecret,
): readonly RenderedFile[] {
  try {
    return render(output, data.reveal());
  } catch (error) {
    if (error instanceof DeliveryError) throw new DeliveryError(`secret ${name}: ${error.message}`);
    throw new DeliveryError(`secret ${name}: cannot be written as ${output.format}`);
  }
}

function render(output: FileOutput, data: SecretData): readonly RenderedFile[] {
  const { file, format, mode, owner, group } = output;
  if (format !== 'files') {
    return [{ target: file, bytes: RENDERERS[format](data), mode, owner, group }];
  }
  return renderKeyFiles(data).map(([key, bytes]) => ({
    target: `${file}/${key}`,
    bytes,
    mode,
    owner,
    group,
  }));
}
