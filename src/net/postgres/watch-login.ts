import type { EventEmitter } from 'node:events';

/** The login that a server tries. `weak`: it asks for the password itself or its MD5. `unproven`: it broke off the SCRAM exchange and let us in. */
export interface LoginEvents {
  readonly asked?: () => void;
  readonly weak: () => void;
  readonly unproven: () => void;
}

/**
 * Watches the login of a client of the driver before it connects, so that these listeners run before the driver's: one that destroys the stream, or throws,
 * keeps the driver from sending anything more.
 */
export function watchLogin(connection: EventEmitter, { asked, weak, unproven }: LoginEvents): void {
  let proof: 'none' | 'begun' | 'given' = 'none';
  const askedInTheClear = (): void => {
    asked?.();
    weak();
  };
  connection.on('authenticationCleartextPassword', askedInTheClear);
  connection.on('authenticationMD5Password', askedInTheClear);
  connection.on('authenticationSASL', () => {
    asked?.();
    proof = 'begun';
  });
  connection.on('authenticationSASLFinal', () => void (proof = 'given'));
  // A server without our verifier may break off the exchange and let us in (RFC 5802 section 5).
  connection.on('authenticationOk', () => {
    if (proof === 'begun') unproven();
  });
}
