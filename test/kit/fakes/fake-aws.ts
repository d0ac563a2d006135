import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeAwsSecrets, type AwsBody } from './fake-aws-secrets.ts';

/** The behaviour of a scripted answer instead of the default one. */
export type ScriptedAnswer =
  | { readonly status: number; readonly body: string; readonly contentType?: string }
  | 'hang'
  | 'reset'
  | 'cut'
  | 'drip';

type Script = (body: AwsBody) => ScriptedAnswer | undefined;

export interface AwsRequest {
  readonly operation: string;
  readonly body: AwsBody;
}

/** AWS Secrets Manager's wire protocol (JSON 1.1) on loopback, checked by the same contract as moto, with scripted faults. */
export class FakeAws {
  readonly secrets = new FakeAwsSecrets();
  readonly requests: AwsRequest[] = [];
  /** Dripping answers whose client has not disconnected yet. */
  dripping = 0;
  readonly #server: Server;
  #scripts: Script[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeAws> {
    const server = createServer();
    const fake = new FakeAws(server);
    server.on('request', (request, response) => void fake.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sets the answers to the next requests, one each; undefined answers by default. */
  script(...answers: readonly (ScriptedAnswer | Script)[]): void {
    this.#scripts.push(
      ...answers.map((answer) => (typeof answer === 'function' ? answer : () => answer)),
    );
  }

  /** Answers every request from now on like this. */
  always(answer: ScriptedAnswer): void {
    const script: Script = () => {
      this.#scripts.push(script);
      return answer;
    };
    this.#scripts = [script];
  }

  reset(): void {
    this.#scripts = [];
    this.requests.length = 0;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = bodyOf(Buffer.concat(chunks).toString());
    const operation = String(request.headers['x-amz-target']).replace(/^secretsmanager\./, '');
    this.requests.push({ operation, body });
    const scripted = this.#scripts.shift()?.(body);
    if (scripted === 'hang') return;
    if (scripted === 'drip') {
      this.#drip(response);
      return;
    }
    if (scripted === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (scripted === 'cut') {
      response.writeHead(200, {
        'content-type': 'application/x-amz-json-1.1',
        'content-length': '1000',
      });
      response.write('{"Name":', () => response.socket?.destroy());
      return;
    }
    const answer: Exclude<ScriptedAnswer, string> = scripted ?? this.secrets.call(operation, body);
    const contentType = answer.contentType ?? 'application/x-amz-json-1.1';
    response.writeHead(answer.status, { 'content-type': contentType });
    response.end(answer.body);
  }

  #drip(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
    const timer = setInterval(() => response.write(' '), 5);
    this.dripping += 1;
    response.once('close', () => {
      clearInterval(timer);
      this.dripping -= 1;
    });
  }
}

/** The JSON of Secrets Manager, or the form encoding of IAM and STS. */
function bodyOf(text: string): AwsBody {
  if (text.startsWith('{')) return JSON.parse(text) as AwsBody;
  return Object.fromEntries(new URLSearchParams(text));
}

/** An error in the format of AWS. */
export function awsFault(
  type: string,
  message: string,
  status = 400,
): { status: number; body: string } {
  return { status, body: JSON.stringify({ __type: type, Message: message }) };
}
