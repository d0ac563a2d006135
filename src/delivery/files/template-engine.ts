import { Liquid, type Template as Parsed } from 'liquidjs';
import { DeliveryError } from '../failures.ts';
import { limitFilters } from './template-filters.ts';
import { usedSecrets } from './template-uses.ts';

/** Output and control flow. Tags that read other files (`include`, `render`, `layout`, `block`) or keep counters between renderings are removed. */
const TAGS = new Set('assign capture case comment if unless for break continue raw #'.split(' '));
const LIMITS = { parseLimit: 1_000_000, renderLimit: 2_000, memoryLimit: 16_000_000 };

/** A parsed template, and the names of the secrets that it uses; `undefined` when it computes a name. */
export interface Template {
  readonly uses: ReadonlySet<string> | undefined;
  /** @throws DeliveryError that quotes the template and never a value. */
  render(secrets: Readonly<Record<string, object>>): string;
}

/**
 * Liquid without a file system. Templates see own properties only, and a missing variable is an error. A value is written as it is: its content
 * is never parsed (GHSA-59w7-v8rr-pr4p).
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

  /** @param name of the template in messages. @throws DeliveryError with the position of the mistake. */
  parse(text: string, name: string): Template {
    const parsed = quietly(name, (): Parsed[] => this.#liquid.parse(text));
    const uses = quietly(name, () => usedSecrets(parsed));
    return {
      uses,
      render: (secrets) =>
        quietly(name, () => String(this.#liquid.renderSync(parsed, { secrets }))),
    };
  }
}

function quietly<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    // Thrown without the cause: the library's messages quote values of variables.
    throw new DeliveryError(`${name}${templateMessage(error)}`);
  }
}

const LONGEST_QUOTE = 120;
/** Messages of the library that quote nothing computed. Every other error is only named by its kind. */
const QUIET = [
  /^undefined filter: \w+/,
  /^tag "?\w+"? not (?:found|closed)/,
  /^(?:output|tag|raw) .* not closed/,
  /^parse length limit exceeded/,
  /^template render limit exceeded/,
  /^memory alloc limit exceeded/,
  /^the value is bytes: write it with the filter base64/,
  /^the filter needs text/,
  /^every variable must begin with "secrets\."/,
];

interface Token {
  getText(): string;
  getPosition(): readonly number[];
}

/**
 * `:line:column: problem: text of the template`. The library names a missing variable by the values of its parts, so `secrets[secrets.a.b]` would
 * print a value: the message has the template's own text instead.
 */
function templateMessage(error: unknown): string {
  if (!(error instanceof Error)) return ': failed';
  const token = 'token' in error ? (error.token as Token | undefined) : undefined;
  const place = token === undefined ? '' : `:${token.getPosition().join(':')}`;
  const text = token?.getText().trim();
  const quoted = text === undefined || text === '' ? '' : `: ${shortened(text)}`;
  return `${place}: ${problemOf(error)}${quoted}`;
}

function problemOf(error: Error): string {
  if (error.name === 'UndefinedVariableError') return 'no such variable';
  const quiet = QUIET.map((pattern) => pattern.exec(error.message)?.[0]).find(
    (text) => text !== undefined,
  );
  return quiet ?? (error.name === 'RenderError' ? 'cannot be rendered' : 'syntax error');
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}…` : line;
}
