const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Where the broker is: scheme, host and port.
 * @throws TypeError, without the text, which may hold a password, for anything more or else; for `http:` to another machine unless allowed,
 * because everybody on the way would read the secrets.
 */
export function brokerUrl(text: string, allowPlaintext: boolean): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError('the URL of the broker is https://HOST or https://HOST:PORT');
  }
  if (
    url.username !== '' ||
    url.password !== '' ||
    `${url.pathname}${url.search}${url.hash}` !== '/'
  ) {
    throw new TypeError('the URL of the broker has a host and a port, and nothing else');
  }
  if (url.protocol === 'http:' && !allowPlaintext && !LOOPBACK.test(url.hostname)) {
    throw new TypeError('the URL of the broker must be https://, except on loopback');
  }
  return url;
}
