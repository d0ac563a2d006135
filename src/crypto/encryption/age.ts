import type { ReadableStream } from 'node:stream/web';

/** A public key of age (https://age-encryption.org/v1), X25519. */
export const AGE_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

type Bytes = ReadableStream<Uint8Array>;

/** Loaded only when a backup is made or read. */
const load = () => import('age-encryption');

/** Encrypts a stream in the age format, in constant memory. @throws Error for a text that is not a recipient. */
export async function encryptTo(recipients: readonly string[], plain: Bytes): Promise<Bytes> {
  const { Encrypter } = await load();
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return (await encrypter.encrypt(plain as never)) as unknown as Bytes;
}

/** Decrypts a stream in the age format. @throws Error if the identity is not one of the recipients, or the stream was altered. */
export async function decryptWith(identity: string, encrypted: Bytes): Promise<Bytes> {
  const { Decrypter } = await load();
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return (await decrypter.decrypt(encrypted as never)) as unknown as Bytes;
}

/** @throws Error unless the checksum of the recipient is right. */
export async function assertRecipient(recipient: string): Promise<void> {
  const { Encrypter } = await load();
  new Encrypter().addRecipient(recipient);
}

export interface AgeKeyPair {
  /** Secret: `AGE-SECRET-KEY-1…` */
  readonly identity: string;
  readonly recipient: string;
}

export async function generateAgeKeyPair(): Promise<AgeKeyPair> {
  const { generateX25519Identity, identityToRecipient } = await load();
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The identity in the text of a key file of age, whose other lines are comments; undefined if there is not exactly one. */
export function identityIn(text: string): string | undefined {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return keys.length === 1 && IDENTITY.test(keys[0] ?? '') ? keys[0] : undefined;
}
