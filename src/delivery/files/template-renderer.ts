import type { SecretData } from '../../domain/secrets/secret.ts';
import type { DeliveredSecret } from './delivered-secret.ts';
import { DeliveryError, codeOf } from '../failures.ts';
import { readSmallFile } from './read-file.ts';
import {
  targetConflicts,
  type Outputs,
  type RenderedFile,
  type TemplateOutput,
} from './outputs.ts';
import type { BytesValue } from './template-filters.ts';
import type { Template, TemplateEngine } from './template-engine.ts';

const LONGEST_SOURCE = 1_000_000;

interface Parsed {
  readonly output: TemplateOutput;
  readonly template: Template;
}

/** Templates of a configuration, read and parsed once. */
export class TemplateRenderer {
  readonly #parsed: readonly Parsed[];
  readonly #valueOf: (value: SecretData[string]) => string | BytesValue;

  private constructor(
    parsed: readonly Parsed[],
    valueOf: (value: SecretData[string]) => string | BytesValue,
  ) {
    this.#parsed = parsed;
    this.#valueOf = valueOf;
  }

  /** Loads the engine if there are templates. @param problems receives the problems of the templates. */
  static async prepare(
    { templates, secrets }: Outputs,
    problems: string[],
  ): Promise<TemplateRenderer> {
    if (templates.length === 0) return new TemplateRenderer([], () => '');
    const { TemplateEngine: Engine } = await import('./template-engine.ts');
    const { BytesValue: Bytes } = await import('./template-filters.ts');
    const engine = new Engine();
    const names = new Set(secrets.map(({ name }) => name));
    const parsed = templates.flatMap((output, index) => {
      try {
        return [{ output, template: parseTemplate(engine, withText(output), names) }];
      } catch (error) {
        problems.push(`/templates/${index}: ${(error as Error).message}`);
        return [];
      }
    });
    return new TemplateRenderer(parsed, (value) =>
      typeof value === 'string' ? value : new Bytes(value.base64),
    );
  }

  /**
   * @param gone names of secrets that were revoked: templates that use them, or compute names, are left out.
   * @throws DeliveryError that quotes templates and no value.
   */
  render(
    held: ReadonlyMap<string, DeliveredSecret>,
    gone: ReadonlySet<string>,
  ): readonly RenderedFile[] {
    if (this.#parsed.length === 0) return [];
    const secrets = this.#variables(held);
    return this.#parsed
      .filter(({ template: { uses } }) => isFreeOf(gone, uses))
      .map(({ output, template }) => {
        const { file: target, mode, owner, group } = output;
        return { target, bytes: renderOne(template, target, secrets), mode, owner, group };
      });
  }

  #variables(held: ReadonlyMap<string, DeliveredSecret>): Readonly<Record<string, object>> {
    const secrets: Record<string, object> = Object.create(null) as Record<string, object>;
    for (const { name, data } of held.values()) {
      const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [key, value] of Object.entries(data.reveal())) values[key] = this.#valueOf(value);
      secrets[name] = values;
    }
    return secrets;
  }
}

/** A template that computes names might use any secret. */
function isFreeOf(gone: ReadonlySet<string>, uses: ReadonlySet<string> | undefined): boolean {
  return gone.size === 0 || (uses !== undefined && ![...uses].some((name) => gone.has(name)));
}

function renderOne(
  template: Template,
  target: string,
  secrets: Readonly<Record<string, object>>,
): Buffer {
  try {
    return Buffer.from(template.render(secrets));
  } catch (error) {
    throw new DeliveryError(`template of ${target}: ${(error as Error).message}`);
  }
}

/** @param names of the secrets that templates may use. @throws DeliveryError that quotes the template. */
export function parseTemplate(
  engine: TemplateEngine,
  { name, text }: NamedText,
  names: ReadonlySet<string>,
): Template {
  const template = engine.parse(text, name);
  const unknown = [...(template.uses ?? [])].filter((used) => !names.has(used));
  if (unknown.length > 0) {
    throw new DeliveryError(
      `${name} uses secrets that are not configured: ${unknown.join(', ')}; configured: ${[...names].join(', ')}`,
    );
  }
  return template;
}

interface NamedText {
  /** Name of the template in messages. */
  readonly name: string;
  readonly text: string;
}

/** @throws DeliveryError with the system's code if the source cannot be read. */
function withText({ file, source, text }: TemplateOutput): NamedText {
  if (source === undefined) return { name: file, text: text ?? '' };
  try {
    return { name: source, text: readSmallFile(source, LONGEST_SOURCE).text };
  } catch (error) {
    throw new DeliveryError(`${source} cannot be read: ${codeOf(error)}`);
  }
}

/** Problems that show without a directory and without files: sources of templates are read only by the agent that uses them. */
export async function outputProblems(outputs: Outputs): Promise<readonly string[]> {
  const problems = [...targetConflicts(outputs)];
  const templates = outputs.templates.map(({ text = '', ...template }) => ({
    ...template,
    text,
    source: undefined,
  }));
  await TemplateRenderer.prepare({ ...outputs, templates }, problems);
  return problems;
}
