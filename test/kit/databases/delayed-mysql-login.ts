import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH (MySQL, "Capabilities Flags"). */
const CAPABILITIES = 0x200 | 0x8000 | 0x80000;

interface Target {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
}

/** A login whose user the server knows already, and whose client delays its proof. */
export interface DelayedLogin {
  /** Sends the proof and a query. @returns the server's reaction. */
  finish(): Promise<'logged in' | 'refused'>;
}

export async function beginLogin({
  host,
  port,
  username,
  password,
}: Target): Promise<DelayedLogin> {
  const socket = connect({ host, port });
  const failed = new Promise<undefined>((resolve) => {
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(undefined));
  });
  const next = async (): Promise<Buffer | undefined> => Promise.race([packet(socket), failed]);
  await next();
  const head = Buffer.alloc(32);
  head.writeUInt32LE(CAPABILITIES, 0);
  head.writeUInt32LE(2 ** 24 - 1, 4);
  head[8] = 45;
  // Names a plugin that the account does not use, so the server requests its own, with a nonce.
  send(
    socket,
    1,
    Buffer.concat([head, Buffer.from(`${username}\0`), Buffer.from([0]), Buffer.from('none\0')]),
  );
  const request = await next();
  return {
    async finish() {
      if (request?.[0] !== 0xfe) return 'refused';
      const nonce = request.subarray(request.indexOf(0) + 1, request.indexOf(0) + 21);
      send(socket, 3, proofOf(password, nonce));
      const answer = await next();
      if (answer?.[0] !== 0) return 'refused';
      send(socket, 0, Buffer.from('\u0003SELECT 1'));
      const result = await next();
      socket.destroy();
      return result?.[0] === 1 ? 'logged in' : 'refused';
    },
  };
}

function proofOf(password: string, nonce: Buffer): Buffer {
  const sha1 = (...parts: readonly (Buffer | string)[]): Buffer => {
    const hash = createHash('sha1');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const once_ = sha1(password);
  const mask = sha1(nonce, sha1(once_));
  return Buffer.from(once_.map((byte, index) => byte ^ (mask[index] ?? 0)));
}

function send(socket: Socket, sequence: number, body: Buffer): void {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head[3] = sequence;
  socket.write(Buffer.concat([head, body]));
}

/** The first packet that arrives; the server's packets here are small and arrive whole. */
async function packet(socket: Socket): Promise<Buffer> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.subarray(4, 4 + chunk.readUIntLE(0, 3));
}
