import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { UnusableAnswer } from './unusable-answer.ts';

/** Heads of status 1xx before the answer. Servers send one or two; each costs as much as an answer. */
const MOST_INTERIM_HEADS = 16;

let isBounded = false;

/**
 * Ends each request of this process whose server sends interim answers (RFC 9110 section 15.2) without an end: they cost the event loop time, and no library
 * counts them. Node reports the requests of all libraries on one channel.
 */
export function boundInterimHeads(): void {
  if (isBounded) return;
  isBounded = true;
  subscribe('http.client.request.start', (message) => {
    const { request } = message as { readonly request: ClientRequest };
    let heads = 0;
    request.on('information', () => {
      heads += 1;
      // A chunk can have a thousand more heads. The first error ends the request.
      if (heads === MOST_INTERIM_HEADS + 1) request.destroy(new UnusableAnswer('too_many_heads'));
    });
  });
}
