/** What the server's words say, as far as the broker acts on it. */
const PHRASES = {
  no_engine: /no handler for route/i,
  sealed: /sealed/i,
  gone: /invalid accessor|lease not found|invalid lease|no token found/i,
  cas_mismatch: /^check-and-set parameter did/i,
  key_unusable: /key not found|too old|disallowed|soft.?deleted/i,
  unknown_role: /unknown role/i,
  permission_denied: /permission denied/i,
} as const;

export type VaultPhrase = keyof typeof PHRASES;

/**
 * The server answered, and not with success. Its words are not kept: they are the server's choice, can quote a statement with a password in
 * it, and would end in the broker's log. What is kept is the status and which known phrases they hold.
 */
export class VaultResponseError extends Error {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly #phrases: readonly VaultPhrase[];

  /** `said`: attacker-controlled. */
  constructor(status: number, said: string, retryAfterSeconds?: number) {
    const names = Object.keys(PHRASES) as VaultPhrase[];
    const phrases = names.filter((name) => PHRASES[name].test(said));
    super(`the server answered ${status}${phrases.map((phrase) => `, ${phrase}`).join('')}`);
    this.name = 'VaultResponseError';
    this.status = status;
    this.#phrases = phrases;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  says(phrase: VaultPhrase): boolean {
    return this.#phrases.includes(phrase);
  }
}
