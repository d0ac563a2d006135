const HARMLESS =
  /invalid accessor|lease not found|invalid lease|unknown role|permission denied|is sealed|no handler for route|check-and-set parameter did not match/i;

/** The server answered, and not with success. Its words are kept for the log only, and not at all where they may quote a secret. */
export class VaultResponseError extends Error {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  /** attacker-controlled: the first error of the body, cut short. */
  readonly said: string;

  constructor(status: number, said: string, retryAfterSeconds?: number) {
    super(`the server answered ${status}${said === '' ? '' : `: ${said}`}`);
    this.name = 'VaultResponseError';
    this.status = status;
    this.said = said;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** With no more of the server's words than these, because they can quote a statement with a password in it. */
  silenced(): VaultResponseError {
    const kept = HARMLESS.exec(this.said)?.[0] ?? '';
    return new VaultResponseError(this.status, kept, this.retryAfterSeconds);
  }
}
