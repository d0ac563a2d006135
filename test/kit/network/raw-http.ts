import { connect } from 'node:net';

/** An answer as it was on the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Sends bytes unchanged, because every client library would correct malformed requests. Resolves when the server closes. */
export async function rawHttp(
  port: number,
  request: string | Buffer,
  options: { readonly end?: boolean } = {},
): Promise<RawAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => resolve(Buffer.concat(chunks)));
  socket.on('close', () => resolve(Buffer.concat(chunks)));
  socket.write(request);
  if (options.end !== false) socket.end();
  return parseAnswer((await promise).toString());
}

/** A request line and headers as given; `Connection: close` so that the answer ends. */
export function rawRequest(
  line: string,
  headers: readonly string[] = [],
  body: string | Buffer = '',
): Buffer {
  const head = [line, 'Host: broker.test', 'Connection: close', ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
}

/** The first answer in the server's bytes. */
function parseAnswer(raw: string): RawAnswer | undefined {
  const split = raw.indexOf('\r\n\r\n');
  if (split === -1) return undefined;
  const [line = '', ...fields] = raw.slice(0, split).split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
  const length = Number(headers['content-length'] ?? Infinity);
  return {
    status: Number(line.split(' ')[1]),
    headers,
    text: raw.slice(split + 4, split + 4 + length),
  };
}
