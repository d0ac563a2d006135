import { TypeGuards, toValueSync, type PropertyAccessToken, type Template, Value } from 'liquidjs';

const { isNumberToken, isPropertyAccessToken, isQuotedToken, isRangeToken, isWordToken } =
  TypeGuards;
const { isFilteredValueToken } = TypeGuards;

/**
 * Names of the secrets that a template uses; undefined when it computes one of them.
 *
 * Not by the library's own analysis: for each variable that counts the lines before it, so that a template of 16 KiB took 0.3 s, and one of nested
 * brackets 10 s (measured). The injector parses templates of callers that it does not know, on its event loop.
 * @throws Error for a variable that is neither `secrets` nor one that the template assigns
 */
export function usedSecrets(templates: readonly Template[]): ReadonlySet<string> | undefined {
  const walk = new Walk();
  walk.templates(templates);
  return walk.isComputed ? undefined : walk.names;
}

class Walk {
  readonly names = new Set<string>();
  isComputed = false;
  /** Names that the template assigns, then those of each block around the present position. */
  readonly #scopes: Set<string>[] = [new Set()];

  templates(templates: readonly Template[]): void {
    for (const template of templates) {
      for (const argument of template.arguments?.() ?? []) this.#value(argument);
      for (const { content } of template.localScope?.() ?? []) this.#scopes[0]?.add(content);
      if (template.children === undefined) continue;
      this.#scopes.push(new Set(template.blockScope?.()));
      this.templates(toValueSync(template.children(false, true)));
      this.#scopes.pop();
    }
  }

  /** Visits any value of an expression; a text or a number has no variable in it. */
  #value(value: unknown): void {
    if (value instanceof Value || isFilteredValueToken(value)) {
      for (const operand of value.initial.postfix) this.#value(operand);
      for (const { args } of value.filters) {
        // A named argument is a pair of its name and its value.
        for (const argument of args) this.#value(Array.isArray(argument) ? argument[1] : argument);
      }
    } else if (isRangeToken(value)) {
      this.#value(value.lhs);
      this.#value(value.rhs);
    } else if (isPropertyAccessToken(value)) this.#variable(value);
  }

  #variable(token: PropertyAccessToken): void {
    this.#value(token.variable);
    const [root, name] = this.#segments(token);
    if (token.variable !== undefined || this.#scopes.some((scope) => scope.has(root ?? ''))) return;
    if (root !== 'secrets') {
      throw new Error('every variable must begin with "secrets."');
    }
    if (name === undefined) this.isComputed = true;
    else this.names.add(name);
  }

  /** Reads the segments of a property access; undefined for a segment that is computed. `[a.b].c` begins with the segments of `a.b`. */
  #segments({ props }: PropertyAccessToken): readonly (string | undefined)[] {
    return props.flatMap((prop, index): readonly (string | undefined)[] => {
      if (isQuotedToken(prop) || isWordToken(prop)) return [prop.content];
      if (isNumberToken(prop)) return [undefined];
      if (index === 0 && isPropertyAccessToken(prop)) return this.#segments(prop);
      this.#value(prop);
      return [undefined];
    });
  }
}
