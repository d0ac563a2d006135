import type { Source } from '../../src/cli/reports/source.ts';
import { call, Refusal } from './client.ts';

/** Refusals after which a part of a report is missing. After any other failure the report ends. */
const PARTIAL: readonly number[] = [400, 403, 404, 409];

/** The answers of the broker for the reports of the command line. @param signal ends the report before its next request */
export function reportSource(signal: AbortSignal, progress: (text: string) => void): Source {
  return {
    call: (id, ...input) => {
      signal.throwIfAborted();
      return call(id, ...input);
    },
    refusalOf: (thrown) => {
      if (!(thrown instanceof Refusal) || !PARTIAL.includes(thrown.status)) return undefined;
      return { code: thrown.code, text: `${thrown.code}: ${thrown.message}` };
    },
    progress: (text) => {
      if (!signal.aborted) progress(text);
    },
  };
}
