import { BrokerError } from '../../../domain/errors.ts';
import type { CheckReport } from '../../../ports/secret-provider.ts';
import { codeOf, VaultAnswerError, phraseOf } from '../errors.ts';

/** Collects the findings of a check. */
export class Findings {
  readonly #lines: string[] = [];
  #healthy = true;

  note(line: string): void {
    this.#lines.push(line);
  }

  problem(line: string): void {
    this.#healthy = false;
    this.#lines.push(line);
  }

  /** `tried` failed; the result, without the server's text; the remedy. */
  failure(tried: string, error: unknown, remedy: string): void {
    this.problem(`${tried}: ${describe(error)}; ${remedy}`);
  }

  report(): CheckReport {
    return { healthy: this.#healthy, findings: this.#lines };
  }
}

export function isCode(error: unknown, code: BrokerError['code'], reason?: string): boolean {
  if (!(error instanceof BrokerError) || error.code !== code) return false;
  return reason === undefined || error.reason === reason;
}

function describe(error: unknown): string {
  if (!(error instanceof BrokerError)) return 'failed';
  const { cause } = error;
  if (cause instanceof VaultAnswerError) return `${phraseOf(error)} (status ${cause.status})`;
  const code = codeOf(cause);
  const what = /^[A-Z0-9_]+$/.test(code) && !(cause instanceof BrokerError) ? ` (${code})` : '';
  if (error.code === 'ERR_NOT_FOUND') return `it is not there${what}`;
  return `${phraseOf(error)}${what}`;
}
