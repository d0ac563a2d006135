/** The members of an event of Falco that falcosidekick reads. */
export interface FalcoEvent {
  readonly rule: string;
  readonly priority?: string;
  readonly output?: string;
  readonly time: string;
  readonly source?: string;
  readonly hostname?: string;
  readonly tags?: readonly string[];
  readonly output_fields: Readonly<Record<string, unknown>>;
}

/**
 * Forwards as falcosidekick 2.31 and 2.34 were seen to: the registries do not serve the program itself. `test/vectors/falcosidekick-requests.json` has
 * requests of the program. One request at a time, no retry, a fresh `uuid` for each
 * delivery, `<` and `>` escaped as Go writes them, empty tags left out, and an event without a priority is refused before it is sent.
 */
export class ScriptedFalcosidekick {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  #last: Promise<unknown> = Promise.resolve();
  #deliveries = 0;
  /** Lines that the program would write to its log. */
  readonly errors: string[] = [];

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Resolves after the delivery, whether it succeeded or not. @throws Error as the 400 that Falco gets for an event without a priority */
  async forward(event: FalcoEvent): Promise<void> {
    if (event.priority === undefined) throw new Error('400: wrong priority');
    const { tags = [], ...rest } = event;
    this.#deliveries += 1;
    const uuid = `00000000-0000-4000-8000-${String(this.#deliveries).padStart(12, '0')}`;
    const sent = { uuid, output: '', source: 'syscall', ...rest, ...(tags.length > 0 && { tags }) };
    const body = JSON.stringify(sent).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
    const delivery = this.#last.then(() => this.#send(body));
    this.#last = delivery;
    await delivery;
  }

  /** Sends the alert of its endpoint `/test`. */
  async test(): Promise<void> {
    await this.forward({
      output: 'This is a test from falcosidekick',
      rule: 'Test rule',
      priority: 'Debug',
      source: 'internal',
      time: new Date().toISOString(),
      tags: ['example', 'test'],
      hostname: 'falcosidekick',
      output_fields: { 'proc.name': 'falcosidekick', 'user.name': 'falcosidekick' },
    });
  }

  async #send(body: string): Promise<void> {
    const headers = { 'Content-Type': 'application/json; charset=utf-8', ...this.#headers };
    const sent = fetch(this.#url, { method: 'POST', headers, body });
    const answer = await sent.catch((error: unknown) => error as Error);
    if (answer instanceof Error) this.errors.push(answer.message);
    else if (!answer.ok) this.errors.push(`unexpected Response (${answer.status})`);
    if (!(answer instanceof Error)) await answer.arrayBuffer();
  }
}
