import { Liquid, type Template as Parsed } from 'liquidjs';
import { DeliveryError } from '../failures.ts';
import { limitFilters } from './template-filters.ts';
import { templateMessage } from './templates/template-message.ts';

/** Output and flow. What reads other files (`include`, `render`, `layout`, `block`) or keeps counts between renderings is not there. */
const TAGS = new Set('assign capture case comment if unless for break continue raw #'.split(' '));
const LIMITS = { parseLimit: 1_000_000, renderLimit: 2_000, memoryLimit: 16_000_000 };

/** A template that was read, and the names of secrets that it uses; `undefined` when it computes a name. */
export interface Template {
  readonly uses: ReadonlySet<string> | undefined;
  /** @throws DeliveryError that quotes the template and never a value. */
  render(secrets: Readonly<Record<string, object>>): string;
}

/**
 * Liquid without a file system, of which only own properties are seen and what is missing is an error. A value is put out as it is: what it
 * looks like is never parsed (GHSA-59w7-v8rr-pr4p).
 */
export class TemplateEngine {
  readonly #liquid = new Liquid({
    templates: {},
    ownPropertyOnly: true,
    strictVariables: true,
    strictFilters: true,
    lenientIf: true,
    ...LIMITS,
  });

  constructor() {
    limitFilters(this.#liquid);
    for (const name of Object.keys(this.#liquid.tags)) {
      if (!TAGS.has(name)) Reflect.deleteProperty(this.#liquid.tags, name);
    }
  }

  /** @param name how messages call it. @throws DeliveryError that says where the text is wrong. */
  parse(text: string, name: string): Template {
    const parsed = this.#quietly(name, () => this.#liquid.parse(text));
    const uses = this.#quietly(name, () => this.#uses(parsed));
    return {
      uses,
      render: (secrets) =>
        this.#quietly(name, () => String(this.#liquid.renderSync(parsed, { secrets }))),
    };
  }

  /** @throws Error where the template names anything but `secrets.<name>`. */
  #uses(parsed: Parsed[]): ReadonlySet<string> | undefined {
    const names = new Set<string>();
    let isComputed = false;
    for (const [root, name] of this.#liquid.globalVariableSegmentsSync(parsed)) {
      if (root !== 'secrets')
        throw new Error('a variable is none of a secret: begin with "secrets."');
      if (typeof name === 'string') names.add(name);
      else isComputed = true;
    }
    return isComputed ? undefined : names;
  }

  #quietly<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      // Without the cause: the library's messages quote values of variables.
      throw new DeliveryError(`${name}${templateMessage(error)}`);
    }
  }
}
