import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answer of a browser. It shows nothing until the command knows the outcome. */
export interface BrowserAnswer {
  readonly query: string;
  /** Shows the outcome in the browser. */
  readonly show: (text: string) => Promise<void>;
}

const CHARACTERS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** The text may contain claims that the issuer chose. */
function pageOf(text: string): string {
  const shown = text.replaceAll(/[&<>"]/g, (character) => CHARACTERS[character] ?? '');
  return `<!doctype html><title>Quaymaster</title><p>${shown}`;
}

const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'",
  'x-content-type-options': 'nosniff',
};

/** Waits on a port of 127.0.0.1 for the browser that the issuer or the page of the broker redirects (RFC 8252 §7.3). */
export class Listener {
  readonly redirectUri: string;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  }

  static async open(): Promise<Listener> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return new Listener(server);
  }

  /** The redirect that has this `state`. Any page that the browser shows could send others, which are refused (RFC 9700 §4.7). */
  answer(state: string, signal: AbortSignal): Promise<BrowserAnswer> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.#server.on('request', (request, response) => {
        const url = URL.parse(request.url ?? '', this.redirectUri);
        const isAnswer =
          request.method === 'GET' &&
          url?.pathname === '/callback' &&
          url.searchParams.get('state') === state;
        response.setHeader('connection', 'close');
        if (!isAnswer) {
          response.writeHead(400).end();
          return;
        }
        const show = (text: string): Promise<void> =>
          new Promise((shown) => {
            response.once('close', shown).once('finish', shown);
            response.writeHead(200, PAGE_HEADERS).end(pageOf(text));
          });
        resolve({ query: url.search.slice(1), show });
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: 'open',
  linux: 'xdg-open',
};

/** Pattern of an address that the browser's program cannot take for a file or an option. */
const SAFE = /^(?:https:\/\/|http:\/\/localhost[:/])/;

/** Opens the address. Without a browser the person opens the printed one. */
export function showInBrowser(address: string, browser: string | undefined): void {
  const program = browser ?? OPENERS[process.platform];
  if (program === undefined || program === '' || !SAFE.test(address)) return;
  spawn(program, [address], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}
