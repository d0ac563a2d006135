import type { SecretData } from '../../domain/secret.ts';
import type { HeldSecret } from './held-secret.ts';
import { DeliveryError } from '../failures.ts';
import { readSmallFile } from './read-file.ts';
import { codeOf } from './code-of.ts';
import type { Outputs, TemplateOutput } from './outputs.ts';
import type { RenderedFile } from './rendered-file.ts';
import type { BytesValue } from './templates/bytes-value.ts';
import type { Template, TemplateEngine } from './template-engine.ts';

const LONGEST_SOURCE = 1_000_000;

interface Parsed {
  readonly output: TemplateOutput;
  readonly template: Template;
}

/** The templates of a configuration, read and parsed once. */
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

  /** Loads the engine, where there are templates. @param problems gets what is wrong with them. */
  static async prepare(
    { templates, secrets }: Outputs,
    problems: string[],
  ): Promise<TemplateRenderer> {
    if (templates.length === 0) return new TemplateRenderer([], () => '');
    const { TemplateEngine: Engine } = await import('./template-engine.ts');
    const { BytesValue: Bytes } = await import('./templates/bytes-value.ts');
    const engine = new Engine();
    const names = new Set(secrets.map(({ name }) => name));
    const parsed = templates.flatMap((output, index) => {
      try {
        return [{ output, template: parse(engine, output, names) }];
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
   * @param gone names of secrets that were taken away: what uses them is left out, as is what might.
   * @throws DeliveryError that quotes templates, and no value.
   */
  render(
    held: ReadonlyMap<string, HeldSecret>,
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

  #variables(held: ReadonlyMap<string, HeldSecret>): Readonly<Record<string, object>> {
    const secrets: Record<string, object> = Object.create(null) as Record<string, object>;
    for (const { name, data } of held.values()) {
      const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [key, value] of Object.entries(data.reveal())) values[key] = this.#valueOf(value);
      secrets[name] = values;
    }
    return secrets;
  }
}

/** What computes names might use any. */
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

function parse(
  engine: TemplateEngine,
  output: TemplateOutput,
  names: ReadonlySet<string>,
): Template {
  const { file, source } = output;
  const template = engine.parse(output.text ?? readSource(source ?? ''), source ?? file);
  const unknown = [...(template.uses ?? [])].filter((name) => !names.has(name));
  if (unknown.length > 0) {
    throw new DeliveryError(
      `${source ?? file} uses secrets that the configuration does not name: ${unknown.join(', ')}; it names ${[...names].join(', ')}`,
    );
  }
  return template;
}

/** @throws DeliveryError with the system's code. */
function readSource(source: string): string {
  try {
    return readSmallFile(source, LONGEST_SOURCE).text;
  } catch (error) {
    throw new DeliveryError(`${source} cannot be read: ${codeOf(error)}`);
  }
}
