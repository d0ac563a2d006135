/** Where operations are: `{path}` spans segments, any other parameter is one segment without a colon. */
export class PathTemplate {
  /** For the router: no groups, because it decodes what it captures, and nothing here is ever encoded. */
  readonly matcher: RegExp;
  readonly #capture: RegExp;

  constructor(template: string) {
    this.matcher = expression(template, (_name, pattern) => pattern);
    this.#capture = expression(template, (name, pattern) => `(?<${name}>${pattern})`);
  }

  /** The parameters of a path that matches, as written. */
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
