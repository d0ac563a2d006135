/** One server-sent event as a client reads it. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads an event stream over HTTP as browsers do, and waits for future events. */
export class EventReader {
  readonly #abort: AbortController;
  readonly #received: ReceivedEvent[] = [];
  #waiting: (() => void)[] = [];
  #isOver = false;

  private constructor(response: Response, abort: AbortController) {
    this.#abort = abort;
    void this.#read(response).catch(() => undefined);
  }

  /** `as` is a bearer token, or the headers of another credential. @returns the reader, or the refusal. */
  static async open(
    url: string,
    as: string | Readonly<Record<string, string>>,
    lastEventId?: string,
    operation: 'events' | 'changes' = 'events',
  ): Promise<EventReader | Response> {
    const abort = new AbortController();
    const response = await fetch(`${url}/api/v1/${operation}`, {
      headers: {
        ...(typeof as === 'string' ? { Authorization: `Bearer ${as}` } : as),
        ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
      },
      signal: abort.signal,
    });
    return response.status === 200 ? new EventReader(response, abort) : response;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get received(): readonly ReceivedEvent[] {
    return this.#received;
  }

  /** Waits for the first event of this type. */
  async next(type: string, from = 0): Promise<ReceivedEvent> {
    for (;;) {
      const found = this.#received.slice(from).find((event) => event.type === type);
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error(`the stream ended without ${type}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async over(): Promise<void> {
    while (!this.#isOver) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) this.#take(block);
        this.#wake();
      }
    } finally {
      this.#isOver = true;
      this.#wake();
    }
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
    }
    const type = fields.get('event');
    if (type === undefined) return;
    const data = JSON.parse(fields.get('data') ?? '{}') as ReceivedEvent['data'];
    this.#received.push({ id: fields.get('id') ?? '', type, data });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
