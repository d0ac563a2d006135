import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { decryptWith, encryptTo } from '../../crypto/encryption/age.ts';
import { runningSha256 } from '../../crypto/hashes/digest.ts';

/** Size and SHA-256 of a file. */
export interface FileFacts {
  readonly bytes: number;
  readonly sha256: string;
}

export interface Converted {
  readonly plain: FileFacts;
  readonly encrypted: FileFacts;
}

interface Job {
  readonly kind: 'quaymaster-archive';
  readonly from: string;
  readonly to: string;
  /** Encrypts to these recipients, or decrypts with the identity. */
  readonly recipients?: readonly string[];
  readonly identity?: string;
}

type Message = { readonly read: number } | { readonly converted: Converted };

/** Encrypts a file in a thread of its own, because the cipher would block requests (20 to 40 MB/s). The new file is durable when it resolves. */
export function encryptFile(
  from: string,
  to: string,
  recipients: readonly string[],
  progress: (bytes: number) => void,
): Promise<Converted> {
  return inThread({ kind: 'quaymaster-archive', from, to, recipients }, progress);
}

/** Decrypts a file of `encryptFile`. @throws Error if the identity does not open it, or the file was altered. */
export function decryptFile(
  from: string,
  to: string,
  identity: string,
  progress: (bytes: number) => void,
): Promise<Converted> {
  return inThread({ kind: 'quaymaster-archive', from, to, identity }, progress);
}

/** Size and SHA-256 of a file, without holding it in memory. */
export async function fileFacts(path: string): Promise<FileFacts> {
  const counted = counter();
  for await (const piece of createReadStream(path)) counted.add(piece as Uint8Array);
  return counted.facts();
}

async function inThread(job: Job, progress: (bytes: number) => void): Promise<Converted> {
  const { promise, resolve, reject } = Promise.withResolvers<Converted>();
  const thread = new Worker(new URL(import.meta.url), { workerData: job });
  thread.on('message', (message: Message) => {
    if ('read' in message) progress(message.read);
    else resolve(message.converted);
  });
  thread.on('error', reject);
  thread.on('exit', () => reject(new Error('the thread ended before the archive was complete')));
  return promise;
}

function counter(): { add(piece: Uint8Array): number; facts(): FileFacts } {
  const digest = runningSha256();
  let bytes = 0;
  return {
    add(piece) {
      digest.update(piece);
      return (bytes += piece.length);
    },
    facts: () => ({ bytes, sha256: digest.hex() }),
  };
}

async function convert({ from, to, recipients, identity }: Job): Promise<Converted> {
  const source = counter();
  const target = counter();
  const input = Readable.toWeb(createReadStream(from)) as ReadableStream<Uint8Array>;
  const counted = input.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        post({ read: source.add(piece) });
        controller.enqueue(piece);
      },
    }),
  );
  const output =
    identity === undefined
      ? await encryptTo(recipients ?? [], counted)
      : await decryptWith(identity, counted);
  const file = await open(to, 'wx', 0o600);
  try {
    for await (const piece of output) {
      target.add(piece);
      await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const [plain, encrypted] = identity === undefined ? [source, target] : [target, source];
  return { plain: plain.facts(), encrypted: encrypted.facts() };
}

function post(message: Message): void {
  parentPort?.postMessage(message);
}

const job = workerData as Job | null;
if (!isMainThread && job?.kind === 'quaymaster-archive') {
  // A rejection ends the thread, which reports it as its error.
  void convert(job).then((converted) => post({ converted }));
}
