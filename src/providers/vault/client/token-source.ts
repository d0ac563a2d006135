import type { Sensitive } from '../../../domain/sensitive.ts';

/** A token in use; two are the same only if they are the same object. */
export interface HeldToken {
  readonly value: Sensitive<string>;
}

/** Where the connection's own token comes from. */
export interface TokenSource {
  /** @throws ERR_PROVIDER_UNAVAILABLE (reason `credential_file`), ERR_PROVIDER_DENIED (reason `login_refused`), or why the login failed. */
  current(): Promise<HeldToken>;
  /** Another token, after the server refused this one; undefined when there is none, or none so soon. */
  replacement(refused: HeldToken): Promise<HeldToken | undefined>;
  /** Gives up what was obtained. Never throws. */
  close(): Promise<void>;
}
