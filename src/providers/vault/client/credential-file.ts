import { open } from 'node:fs/promises';
import { BrokerError } from '../../../domain/errors.ts';
import { Sensitive } from '../../../domain/sensitive.ts';

const MOST_BYTES = 65_536;
const PRINTABLE = /^[\x21-\x7e]+$/;

/** A token, secret id or JWT in a file, white space around it removed. @throws ERR_PROVIDER_UNAVAILABLE, reason `credential_file`. */
export async function readCredentialFile(path: string): Promise<Sensitive<string>> {
  const text = (await readSmall(path)).trim();
  // A line break or other control character in it would end the header it is sent in.
  if (!PRINTABLE.test(text)) throw unusable(new Error(`${path} holds no credential`));
  return new Sensitive(text);
}

async function readSmall(path: string): Promise<string> {
  const file = await open(path, 'r').catch(failUnusable);
  try {
    const buffer = Buffer.alloc(MOST_BYTES + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0).catch(failUnusable);
    if (bytesRead > MOST_BYTES) throw unusable(new Error(`${path} is too long for a credential`));
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function unusable(cause: unknown): BrokerError {
  const options = { cause, reason: 'credential_file' };
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, options);
}

function failUnusable(cause: unknown): never {
  throw unusable(cause);
}
