import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express';

/** The routes of one face of the broker. */
export interface Routed {
  readonly routes: Router;
  /** Refuses a request whose target Express cannot parse, so that no route and no handler sees it. */
  readonly refuseUnparsed: RequestListener;
}

/** The API, whose most frequent requests do not pass through Express. */
export interface Api extends Routed {
  /** Begins a login or the read of a secret. @returns false if the request is another one, which is for the routes */
  readonly beginFrequent: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly refuseError: ErrorRequestHandler;
}

/** Creates a router whose paths match exactly: letter case and a slash at the end count. */
export function createRouter(): Router {
  return express.Router({ caseSensitive: true, strict: true });
}

/** Creates an application of Express that only routes. Nothing of Express reads a body, a query or a proxy's headers, or writes an answer. */
export function createExpressApp(): Express {
  return express()
    .enable('case sensitive routing')
    .enable('strict routing')
    .disable('x-powered-by')
    .set('etag', false)
    .set('query parser', false);
}

/**
 * The listener of an application. Whatever leaves the application comes back here, because Express would otherwise answer it in HTML. An error that leaves it
 * is one that the error handler could not answer, so the connection is cut.
 */
export function listenerOf(app: Express, refuseUnparsed: RequestListener): RequestListener {
  const handle: RequestHandler = app;
  return (request, response) => {
    void handle(request as Request, response as Response, (error?: unknown) => {
      if (error === undefined && !response.headersSent) refuseUnparsed(request, response);
      else response.destroy();
    });
  };
}

/** A handler that gets no HEAD, which Express otherwise gives to the routes of GET. */
export function exceptHead(handle: RequestHandler): RequestHandler {
  return (request, response, next) => {
    if (request.method === 'HEAD') next();
    else void handle(request, response, next);
  };
}

/** An error handler, which Express recognizes by its four parameters. Nothing can be added to an answer that has begun. */
export function refuseErrors(
  refuse: (request: Request, response: Response, error: unknown) => void,
): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) next(error);
    else refuse(request, response, error);
  };
}
