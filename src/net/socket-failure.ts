const CODE = /^[A-Z][A-Z0-9_]{2,63}$/;
const SYSCALL = /^[a-z]{2,20}$/;

/**
 * An error of a socket, of TLS or of an HTTP parser as the log may have it: its code, and what the operating system was asked. The message
 * is not kept, because Node writes what the other side sent into it, such as the names in its certificate.
 */
export function socketFailure(error: unknown): Error {
  const { code, syscall, port } = (error ?? {}) as Readonly<Record<string, unknown>>;
  const word = typeof code === 'string' && CODE.test(code) ? code : 'failed';
  const asked = typeof syscall === 'string' && SYSCALL.test(syscall) ? `${syscall} ` : '';
  const where = typeof port === 'number' ? ` on port ${port}` : '';
  const failure = new Error(`${asked}${word}${where}`);
  return word === 'failed' ? failure : Object.assign(failure, { code: word });
}
