import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import type { RotationTarget } from '../../../src/ports/rotation-target.ts';
import { openWebhook } from '../../../src/providers/webhook/open.ts';
import type { Resolve } from '../../../src/providers/server/addresses.ts';
import { webhookConnectionSchema } from '../../../src/providers/webhook/config.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

const KEY = 'a key of the tests, 0123456789abcdef';

export interface Heard {
  readonly id: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** The receiver's behaviour at a delivery instead of its work. */
export type Lie = (heard: Heard, response: ServerResponse, request: IncomingMessage) => void;

/** A receiver with scripted behaviour, on loopback and without TLS, as its connection declares. */
export class LyingReceiver {
  readonly heard: Heard[] = [];
  lie: Lie = () => undefined;
  readonly #server = createServer((request, response) => {
    void this.#hear(request, response);
  });
  #directory = '';

  async start(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'quaymaster-lies-'));
    await writeFile(this.keyFile, KEY);
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get keyFile(): string {
    return join(this.#directory, 'key');
  }

  target(
    options: object = {},
    connection: Readonly<Record<string, unknown>> = {},
    resolve?: Resolve,
  ): RotationTarget {
    const config = webhookConnectionSchema.parse({
      type: 'webhook',
      url: `http://127.0.0.1:${this.port}/hook`,
      secretFile: this.keyFile,
      tls: 'off',
      allowPrivateAddresses: true,
      locators: ['**'],
      limits: { ...PATIENT, maxRetries: 0 },
      ...connection,
    });
    const parts = {
      clock: systemClock,
      connection: 'portal',
      ...(resolve !== undefined && { resolve }),
    };
    return openWebhook('portal', config, parts).rotation.target('webhook', {
      target: 'accounts/app',
      slots: 'two',
      ...options,
    });
  }

  async #hear(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const heard = { id: String(message['delivery']), message };
    this.heard.push(heard);
    this.lie(heard, response, request);
  }
}

interface Spoken {
  readonly id?: string;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer, with a valid signature by default. */
export const say =
  (answer: unknown, { id, key = KEY, headers = {} }: Spoken = {}): Lie =>
  (heard, response) => {
    const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
    const of = id ?? heard.id;
    const mac = createHmac('sha256', key)
      .update(`quaymaster-webhook-v1-answer\n7\n${of}\n${body.length}\n`)
      .update(body)
      .digest('hex');
    response.writeHead(200, {
      'content-type': 'application/json',
      'quaymaster-signature': `t=7,id=${of},v1=${mac}`,
      ...headers,
    });
    response.end(body);
  };
