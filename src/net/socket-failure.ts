const CODE = /^[A-Z][A-Z0-9_]{2,63}$/;
const SYSCALL = /^[a-z]{2,20}$/;

/**
 * Converts an error of a socket, of TLS or of an HTTP parser for the log: its code and the system call. The message is dropped, because Node writes
 * text of the peer into it, such as the names in its certificate.
 */
export function socketFailure(error: unknown): Error {
  const { code, syscall, port } = (error ?? {}) as Readonly<Record<string, unknown>>;
  const word = typeof code === 'string' && CODE.test(code) ? code : 'failed';
  const asked = typeof syscall === 'string' && SYSCALL.test(syscall) ? `${syscall} ` : '';
  const where = typeof port === 'number' ? ` on port ${port}` : '';
  const failure = new Error(`${asked}${word}${where}`);
  return word === 'failed' ? failure : Object.assign(failure, { code: word });
}
