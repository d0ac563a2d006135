import type { Duplex } from 'node:stream';
import { BrokerError } from '../../domain/errors.ts';
import { type RedisAnswer, RedisAnswers, RedisErrorAnswer } from './answers.ts';

type Waiting = PromiseWithResolvers<RedisAnswer>;

/** One connection to a Redis server, over an open or opening stream. Its first fault ends it and all its commands. */
export class RedisConnection {
  readonly #stream: Duplex;
  readonly #waiting: Waiting[] = [];
  readonly #ended = Promise.withResolvers<never>();
  #fault: Error | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#ended.promise.catch(() => undefined);
    const answers = new RedisAnswers((answer) => this.#settle(answer));
    stream.on('error', (error: Error) => this.close(error));
    stream.once('close', () => {
      this.close(Object.assign(new Error('the server hung up'), { code: 'ECONNRESET' }));
    });
    stream.on('data', (chunk: Buffer) => {
      try {
        if (this.#fault === undefined) answers.take(chunk);
      } catch (error) {
        this.close(error as Error);
      }
    });
  }

  /** Waits until the stream emits the event. @throws the fault that ended the connection. */
  async opened(event: 'connect' | 'secureConnect'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#stream.once(event, () => resolve(undefined));
    await Promise.race([promise, this.#ended.promise]);
  }

  /** Sends a command as a list of texts (RESP, "Sending commands to a Redis server"). @throws RedisErrorAnswer, or the connection's fault. */
  async command(words: readonly string[]): Promise<RedisAnswer> {
    if (this.#fault !== undefined) throw this.#fault;
    const waiting: Waiting = Promise.withResolvers();
    this.#waiting.push(waiting);
    const texts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#stream.write(`*${words.length}\r\n${texts.join('')}`);
    const answer = await waiting.promise;
    if (answer instanceof RedisErrorAnswer) throw answer;
    return answer;
  }

  close(cause: Error = new Error('closed')): void {
    if (this.#fault !== undefined) return;
    this.#fault = cause;
    this.#ended.reject(cause);
    this.#stream.destroy();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(cause);
  }

  #settle(answer: RedisAnswer): void {
    const waiting = this.#waiting.shift();
    // Answers without a command are messages of another mode, which the broker never enters.
    if (waiting === undefined) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'protocol' });
    }
    waiting.resolve(answer);
  }
}
