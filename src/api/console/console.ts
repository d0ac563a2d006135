import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import * as z from 'zod';
import { beginLogin, finishLogin } from '../../broker/sessions/people.ts';
import { isRecorded } from '../../broker/recording/refusals.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { answerError, JSON_TYPE, refuse } from '../request/answers.ts';
import type { ConsoleFiles } from './console-files.ts';
import { checkRequest } from '../request/check-request.ts';
import { Exchange } from '../request/exchange.ts';
import { objectName } from '../request/fields.ts';
import { readBody } from '../request/body/read-body.ts';
import { RequestShare } from '../request/memory-shares.ts';
import { parseInput } from '../request/parse-input.ts';
import { pathOf } from '../request/perform.ts';
import type { Surroundings } from '../request/request-deps.ts';
import {
  createExpressApp,
  createRouter,
  exceptHead,
  listenerOf,
  type Api,
  type Routed,
} from '../request/express-app.ts';
import { ConsoleOrigin } from './console-origin.ts';
import { ConsoleSessions } from './console-sessions.ts';
import { cookieNames, type CookieNames } from './cookies.ts';
import { PAGE_HEADERS } from './page-headers.ts';

const ROOT = '/console';
/** The rest of the path is that of an operation of the API. */
const CALLS = '/console/call/';
const ASSETS = '/console/assets/';
/** The build whose page sent a request, and the build that the broker serves. */
const BUILD_HEADER = 'X-Quaymaster-Console-Build';
const IMMUTABLE = 'public, max-age=31536000, immutable';
const BODY_BYTES = 4_096;
/** Weight of a login, as for the logins of the API. */
const LOGIN_WEIGHT = 5;
/** An address of the page: it never leads to another host, because it begins with the console's path and has no second slash there. */
const OWN_ADDRESS =
  /^\/console\/(?:[A-Za-z0-9._+=@~:-]+\/)*[A-Za-z0-9._+=@~:-]*(?:\?[A-Za-z0-9._~%&=+:/@-]*)?$/;

const opening = z.union([
  z.strictObject({ token: z.string().regex(/^qmo_[0-9A-Za-z]{49}$/, 'is not an operator token') }),
  z.strictObject({ code: z.string().min(1).max(128) }),
]);
const beginning = z.strictObject({
  issuer: objectName,
  returnTo: z.string().max(2_048).default('/console/'),
  stepUp: z.boolean().default(false),
});

/** A code that opens the console once. */
export interface OpeningCode {
  /** The operator token behind the code; undefined for any other text. */
  take(code: string): string | undefined;
}

export interface ConsoleDeps {
  readonly files: ConsoleFiles;
  /** Origin under which browsers reach the console; undefined: the names of loopback. */
  readonly origin: string | undefined;
  /** Scheme of the listener, if no origin is configured. */
  readonly scheme: string;
  /** Code of development mode. */
  readonly code: OpeningCode | undefined;
}

interface Visit {
  readonly exchange: Exchange;
  readonly own: URL;
  readonly names: CookieNames;
}

/** A step of the page; its errors are refusals. */
type Step = (visit: Visit, path: string) => void | Promise<void>;

/**
 * Serves the page of the console and its cookies. It adds no operation: a request below `/console/call/` becomes the same request of the API, with the
 * token of the cookie. The API itself never reads a cookie.
 */
export class Console implements Routed {
  readonly routes = createRouter();
  readonly #surroundings: Surroundings;
  readonly #api: Api;
  readonly #files: ConsoleFiles;
  readonly #code: OpeningCode | undefined;
  readonly #origin: ConsoleOrigin;
  readonly #sessions: ConsoleSessions;

  constructor(surroundings: Surroundings, api: Api, deps: ConsoleDeps) {
    this.#surroundings = surroundings;
    this.#api = api;
    this.#files = deps.files;
    this.#code = deps.code;
    this.#origin = new ConsoleOrigin(deps.origin, deps.scheme);
    this.#sessions = new ConsoleSessions(surroundings.parts);
    this.#addRoutes();
  }

  /** Creates the console's own listener, which serves nothing else. */
  createListener(): RequestListener {
    const app = createExpressApp();
    app.use(this.routes);
    app.get('/', this.#answering(sendToPage));
    app.get(/./, this.#answering(refusePath));
    app.use(this.refuseUnparsed, this.#api.refuseError);
    return listenerOf(app, this.refuseUnparsed);
  }

  readonly refuseUnparsed: RequestListener = (request, response) => {
    void this.#answer(request, response, refuseMethod);
  };

  #addRoutes(): void {
    const { routes } = this;
    routes.all(/^\/console\/call\//, (request, response, next) => {
      this.#callApi(request, response, next);
    });
    routes
      .route('/console/session')
      .get(exceptHead(this.#answering((visit) => this.#describe(visit))))
      .post(this.#answering((visit) => this.#open(visit)))
      .delete(this.#answering((visit) => this.#close(visit)));
    routes.post(
      '/console/login',
      this.#answering((visit) => this.#beginLogin(visit)),
    );
    routes.get('/console/return', exceptHead(this.#answering((visit) => this.#finishLogin(visit))));
    routes.get(
      /^\/console\/assets\//,
      this.#answering((visit, path) => this.#sendAsset(visit, path.slice(ASSETS.length))),
    );
    routes.get(ROOT, this.#answering(sendToPage));
    routes.get(
      /^\/console\//,
      this.#answering((visit) => this.#sendPage(visit)),
    );
    routes.all(/^\/console(?:\/|$)/, this.#answering(refuseMethod));
  }

  #answering(step: Step): RequestHandler {
    return (request, response) => {
      void this.#answer(request, response, step);
    };
  }

  /** @throws nothing: a refusal is recorded and answered like those of the API. */
  #callApi(request: Request, response: Response, next: NextFunction): void {
    // An absolute target has such a path too; the routes after this one refuse it.
    if (!request.url.startsWith(CALLS)) {
      next();
      return;
    }
    try {
      const own = this.#origin.requireOwnPage(request);
      const { headers } = request;
      if (headers.authorization !== undefined || headers['dpop'] !== undefined) {
        throw new BrokerError('ERR_DENIED', undefined, { reason: 'console_authorization' });
      }
      const names = cookieNames(own);
      const session = this.#sessions.find(names, request);
      if (session !== undefined) {
        headers.authorization = `Bearer ${session.token}`;
        const renewed = this.#sessions.renew(names, session);
        if (renewed !== undefined) response.setHeader('Set-Cookie', renewed);
      }
    } catch (error) {
      const tally = this.#surroundings.tallies.of('console');
      const exchange = new Exchange(this.#surroundings, request, response, tally);
      void refuse(this.#surroundings, exchange, error);
      return;
    }
    response.setHeader(BUILD_HEADER, this.#files.build);
    request.url = request.url.slice(CALLS.length - 1);
    if (!this.#api.beginFrequent(request, response)) this.#api.routes(request, response, next);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, step: Step): Promise<void> {
    const tally = this.#surroundings.tallies.of('console');
    const exchange = new Exchange(this.#surroundings, request, response, tally);
    try {
      checkRequest(exchange);
      const own = this.#origin.of(request);
      await step({ exchange, own, names: cookieNames(own) }, pathOf(request.url ?? ''));
    } catch (error) {
      if (isRecorded(error)) answerError(this.#surroundings, exchange, error);
      else await refuse(this.#surroundings, exchange, error);
    }
  }

  #sendPage({ exchange }: Visit): void {
    const type = ['Content-Type', 'text/html; charset=utf-8'];
    exchange.send(200, [...type, ...PAGE_HEADERS], this.#files.page);
  }

  /** @throws ERR_NOT_FOUND, also for a file of an older build: the page then says that it is outdated */
  #sendAsset({ exchange }: Visit, name: string): void {
    const file = this.#files.asset(name);
    if (file === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const accepted = exchange.request.headers['accept-encoding']?.toString() ?? '';
    const encoding = (['br', 'gzip'] as const).find((each) =>
      accepted.split(/[ ,]+/).includes(each),
    );
    const encoded = encoding === undefined ? [] : ['Content-Encoding', encoding];
    const headers = ['Content-Type', file.type, 'Vary', 'Accept-Encoding', ...encoded];
    exchange.send(200, [...headers, ...PAGE_HEADERS], file[encoding ?? 'plain'], IMMUTABLE);
  }

  /** The facts that the page needs before a login. */
  #describe({ exchange, names }: Visit): void {
    const { request } = exchange;
    this.#origin.requireOwnPage(request);
    const session = this.#sessions.find(names, request);
    const refused = this.#sessions.findRefusal(names, request);
    const body = {
      issuers: [...this.#surroundings.parts.people.issuers.keys()],
      build: this.#files.build,
      ...(session !== undefined && {
        until: instant(session.until),
        latest: instant(session.latest),
      }),
      ...(refused !== undefined && { refused }),
    };
    const shown = refused === undefined ? [] : ['Set-Cookie', this.#sessions.endFlow(names)];
    exchange.send(200, [...JSON_TYPE, ...shown], JSON.stringify(body));
  }

  /**
   * Opens a session with an operator token, or with the code of development mode. The token itself is checked by the next request to the API, which also counts
   * failures; a cookie with a wrong token opens nothing.
   */
  async #open(visit: Visit): Promise<void> {
    const { exchange, names } = visit;
    const opened = await this.#readOrder(visit, opening);
    const token = 'token' in opened ? opened.token : this.#code?.take(opened.code);
    if (token === undefined) {
      this.#surroundings.rates.failed(exchange.network);
      throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'console_code' });
    }
    exchange.send(204, ['Set-Cookie', this.#sessions.begin(names, token)], '');
  }

  /** Removes the cookie and everything that the browser keeps of the page. "cookies" would clear those of all hosts of the domain. */
  #close({ exchange, names }: Visit): void {
    this.#origin.requireOwnPage(exchange.request);
    const cookies = [
      'Set-Cookie',
      this.#sessions.end(names),
      'Set-Cookie',
      this.#sessions.endFlow(names),
    ];
    exchange.send(204, [...cookies, 'Clear-Site-Data', '"cache", "storage"'], '');
  }

  async #beginLogin(visit: Visit): Promise<void> {
    const { exchange, own, names } = visit;
    const { issuer, returnTo, stepUp } = await this.#readOrder(visit, beginning);
    const redirectUri = `${own.origin}${ROOT}/return`;
    const order = { issuer, redirectUri, isStepUp: stepUp };
    const { login, address } = await beginLogin(this.#surroundings.parts, exchange, order);
    const back = OWN_ADDRESS.test(returnTo) ? returnTo : `${ROOT}/`;
    const cookie = this.#sessions.beginFlow(names, login, back);
    exchange.send(200, [...JSON_TYPE, 'Set-Cookie', cookie], JSON.stringify({ address }));
  }

  /**
   * Ends a login at the issuer. The cookie of the flow proves that this browser began it, so no other page can log a person in under another name. The session
   * that the browser had before ends: its cookie is replaced.
   */
  async #finishLogin({ exchange, names }: Visit): Promise<void> {
    const { parts, rates } = this.#surroundings;
    rates.takeFromNetwork(exchange.network, LOGIN_WEIGHT);
    const flow = this.#sessions.findFlow(names, exchange.request);
    const ended = ['Set-Cookie', this.#sessions.endFlow(names)];
    try {
      if (flow === undefined)
        throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'console_flow' });
      const { url = '' } = exchange.request;
      const answer = url.slice(pathOf(url).length + 1);
      const finished = await finishLogin(parts, exchange, { login: flow.login, answer });
      if (finished === undefined) throw new BrokerError('ERR_TOKEN_INVALID');
      const cookie = ['Set-Cookie', this.#sessions.begin(names, finished.token)];
      exchange.send(303, [...ended, ...cookie, 'Location', flow.returnTo, ...PAGE_HEADERS], '');
    } catch (error) {
      const failure = BrokerError.from(error);
      if (failure.kind === 'unauthenticated') rates.failed(exchange.network);
      this.#surroundings.log.failed(exchange, failure);
      const { code, detail = '', isDetailShown } = failure;
      const told = isDetailShown ? ['Set-Cookie', this.#sessions.refuseFlow(names, detail)] : ended;
      const location = `${ROOT}/?refused=${code}`;
      exchange.send(303, [...told, 'Location', location, ...PAGE_HEADERS], '');
    }
  }

  /** Reads the body of a request that the page itself sent. @throws ERR_DENIED, ERR_RATE_LIMITED, ERR_BODY_INVALID */
  async #readOrder<T>({ exchange }: Visit, schema: z.ZodType<T>): Promise<T> {
    const surroundings = this.#surroundings;
    this.#origin.requireOwnPage(exchange.request);
    if (surroundings.parts.keyring.isSealed) throw new BrokerError('ERR_SEALED');
    surroundings.rates.takeFromNetwork(exchange.network, LOGIN_WEIGHT);
    const share = new RequestShare(surroundings, exchange, undefined);
    try {
      const { value } = await readBody(exchange.request, { maxBytes: BODY_BYTES }, share);
      return parseInput(schema, value);
    } finally {
      share.release();
    }
  }
}

/** Leads a browser to the first view. */
function sendToPage({ exchange }: Visit): void {
  exchange.send(302, ['Location', `${ROOT}/`], '');
}

/** @throws ERR_METHOD */
function refuseMethod(): never {
  throw new BrokerError('ERR_METHOD');
}

/** @throws ERR_NOT_FOUND */
function refusePath(): never {
  throw new BrokerError('ERR_NOT_FOUND');
}
