/** The path of an operation: `{path}` matches across segments; any other parameter matches one segment without a colon. */
export class PathTemplate {
  /** Pattern for the router. It has no groups, because the router decodes captured text, and the broker's paths are never encoded. */
  readonly matcher: RegExp;
  readonly #capture: RegExp;

  constructor(template: string) {
    this.matcher = expression(template, (_name, pattern) => pattern);
    this.#capture = expression(template, (name, pattern) => `(?<${name}>${pattern})`);
  }

  /** The parameters of a matching path, as the client wrote them. */
  parametersOf(path: string): Readonly<Record<string, string>> {
    return this.#capture.exec(path)?.groups ?? {};
  }
}

function expression(
  template: string,
  parameter: (name: string, pattern: string) => string,
): RegExp {
  const source = template
    .replaceAll('.', '\\.')
    .replaceAll(/\{([a-zA-Z]+)\}/g, (_braced, name: string) =>
      parameter(name, name === 'path' ? '.*' : '[^/:]+'),
    );
  return new RegExp(`^${source}$`, 's');
}
