import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Body = Readonly<Record<string, unknown>>;

/** Faults of AWS KMS that moto does not have: moto keeps using a key that is disabled or pending deletion. */
export type KmsFault =
  | 'DisabledException'
  | 'KMSInvalidStateException'
  | 'AccessDeniedException'
  | 'KMSInternalException'
  | 'no answer';

interface KmsCall {
  /** Action as in a policy of IAM: `kms:Decrypt`. */
  readonly action: string;
  readonly contextKeys: readonly string[];
}

/** Proxy in front of moto: passes good requests to it, and answers all others with a fault, or with a changed answer. */
export class KmsProxy {
  fault: KmsFault | undefined;
  /** Changes the good answers of moto. */
  change: (answer: Body, call: KmsCall) => Body = (answer) => answer;
  /** The requests since the start. */
  readonly calls: KmsCall[] = [];
  /** Requests that were answered, or that will not be answered. */
  settled = 0;
  readonly #server: Server;
  readonly #target: string;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(target: string): Promise<KmsProxy> {
    const proxy = new KmsProxy(target);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    proxy.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const call = callOf(request, body);
    this.calls.push(call);
    const { fault } = this;
    try {
      if (fault === 'no answer') return;
      if (fault !== undefined) answer(response, statusOf(fault), refusalOf(fault));
      else await this.#pass({ request, body, call }, response);
    } catch {
      response.destroy();
    } finally {
      this.settled += 1;
    }
  }

  async #pass(
    { request, body, call }: { request: IncomingMessage; body: string; call: KmsCall },
    response: ServerResponse,
  ): Promise<void> {
    const names = ['content-type', 'x-amz-target', 'x-amz-date', 'authorization'];
    const headers = names.map((name): [string, string] => [name, String(request.headers[name])]);
    const passed = await fetch(this.#target, { method: 'POST', headers, body });
    const good = (await passed.json()) as Body;
    answer(response, passed.status, passed.ok ? this.change(good, call) : good);
  }
}

function callOf({ headers }: IncomingMessage, body: string): KmsCall {
  const operation = String(headers['x-amz-target']).replace('TrentService.', '');
  const { EncryptionContext } = JSON.parse(body) as { EncryptionContext?: Body };
  return { action: `kms:${operation}`, contextKeys: Object.keys(EncryptionContext ?? {}) };
}

function statusOf(fault: KmsFault): number {
  return fault === 'KMSInternalException' ? 500 : 400;
}

function refusalOf(fault: KmsFault): Body {
  return { __type: fault, message: 'arn:aws:kms:eu-central-1:111122223333:key/1 is not usable' };
}

function answer(response: ServerResponse, status: number, body: Body): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(body));
}
