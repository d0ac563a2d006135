const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The broker's URL: scheme, host and port, and nothing else.
 * @throws TypeError for any other URL, and for `http:` to another machine unless allowed, because every network on the way could read the
 * secrets. The message does not contain the URL, which may contain a password.
 */
export function brokerUrl(text: string, allowPlaintext: boolean): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError('the URL of the broker must be https://HOST or https://HOST:PORT');
  }
  if (
    url.username !== '' ||
    url.password !== '' ||
    `${url.pathname}${url.search}${url.hash}` !== '/'
  ) {
    throw new TypeError('the URL of the broker must have a host and a port, and nothing else');
  }
  if (url.protocol === 'http:' && !allowPlaintext && !LOOPBACK.test(url.hostname)) {
    throw new TypeError('the URL of the broker must be https://, except on loopback');
  }
  return url;
}
