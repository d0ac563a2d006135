import { isUtf8 } from 'node:buffer';
import { parseMembers } from '../../domain/text/json-members.ts';
import { isTlsFault } from '../../net/https/tls-fault.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { UnusableAnswer } from '../../net/https/unusable-answer.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { EXIT, Failed } from '../kernel/errors.ts';
import { checkSourceAddress, SourceError } from './import-source.ts';

const TIMEOUT_MS = 30_000;
const MOST_BYTES = 16 * 1024 * 1024;
const TRIES = 4;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;
/**
 * Statuses after which every other path would fail too: too many requests, a sealed server or a standby, and a proxy without a
 * server.
 */
const NOT_NOW: readonly number[] = [429, 502, 503, 504];

export interface VaultAccess {
  readonly address: string;
  readonly token: string;
  readonly namespace?: string | undefined;
  readonly ca?: string | undefined;
}

export interface VaultAnswer {
  readonly status: number;
  /** Body of status 200 and 404, if it is a JSON object. Numbers keep all their digits. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** GET requests below `/v1/` of Vault or OpenBao. Redirects are not followed, because they would carry the token to another server. */
export class VaultHttp {
  readonly #access: VaultAccess;
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  /** @throws UsageError for a URL that is not valid, or that would send the token unencrypted to another machine */
  constructor(access: VaultAccess, clock: Clock, signal: AbortSignal) {
    checkSourceAddress('--address', access.address, 'a Vault or an OpenBao');
    this.#access = access;
    const { ca } = access;
    const tls =
      new URL(access.address).protocol === 'http:' ? 'off' : { ...(ca !== undefined && { ca }) };
    this.#http = new HttpClient({ tls });
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Gets the answer, whatever its status. Reads are safe to repeat, so it retries while the server is busy or unavailable.
   * @throws Failed without a response; SourceError for a response that is too large or nested too deeply
   */
  async get(path: string, query = ''): Promise<VaultAnswer> {
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await withDeadline(this.#clock, TIMEOUT_MS, (deadline) =>
          this.#once(path, query, AbortSignal.any([this.#signal, deadline])),
        );
        if (NOT_NOW.includes(answer.status)) throw new NotNow(answer.status);
        // A server error that remains after all tries may concern only this path.
        if (answer.status < 500 || tries === TRIES) return answer;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (error instanceof SourceError) throw error;
        if (error instanceof UnusableAnswer) throw sourceError(error);
        const isFinal = tries === TRIES || isTlsFault((error as NodeJS.ErrnoException).code);
        if (isFinal) throw unreachable(error, this.#access);
      }
      await this.#clock.sleep(
        doubledDelay(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, tries - 1),
        this.#signal,
      );
    }
  }

  close(): void {
    this.#http.close();
  }

  async #once(path: string, query: string, signal: AbortSignal): Promise<VaultAnswer> {
    const { address, token, namespace } = this.#access;
    const target = `/v1/${path.split('/').map(encodeURIComponent).join('/')}${query}`;
    const headers = {
      'x-vault-token': token,
      'x-vault-request': 'true',
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
    };
    const url = new URL(address);
    const response = await this.#http.open({ method: 'GET', url, target, headers, signal });
    const status = response.statusCode ?? 0;
    const bytes = await readBody(response, MOST_BYTES);
    return { status, body: [200, 404].includes(status) ? membersIn(bytes) : undefined };
  }
}

/** Bytes that are not UTF-8 are refused: decoding would change a value. */
function membersIn(bytes: Buffer): VaultAnswer['body'] {
  if (!isUtf8(bytes)) return undefined;
  try {
    return parseMembers(bytes.toString('utf8'));
  } catch {
    throw new SourceError('vault_too_deep');
  }
}

function sourceError({ reason }: UnusableAnswer): SourceError {
  return new SourceError(reason === 'body_too_large' ? 'vault_too_large' : 'vault_answer');
}

class NotNow extends Error {
  readonly code: string;

  constructor(status: number) {
    super();
    this.code = `status ${status}`;
  }
}

/** The error with a code word only: the text of a server may contain anything. */
function unreachable(error: unknown, { address }: VaultAccess): Failed {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const why = code === 'ABORT_ERR' ? `no complete response within ${TIMEOUT_MS / 1000} s` : code;
  const advice = isTlsFault(code)
    ? '; if a private CA signed its certificate, name the CA with --vault-ca'
    : '';
  const { host } = new URL(address);
  return new Failed(`no response from Vault at ${host}: ${why}${advice}`, EXIT.unreachable);
}
