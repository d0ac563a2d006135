import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { SecretKey } from '../random/secret-key.ts';

type Part = string | Uint8Array;

/** One-shot `hash` is four times as fast as `createHash` on short input (measured: 0.38 against 1.5 microseconds). */
function joined(parts: readonly Part[]): Part {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

/**
 * SHA-256 of the parts, joined. The digest goes through a text, because a buffer made by `hash` costs twice as much (measured: 0.7 against 0.35
 * microseconds for 65 bytes). Joining is not injective: callers whose parts must stay distinct add lengths first.
 */
export function sha256(...parts: readonly Part[]): Buffer {
  return Buffer.from(hash('sha256', joined(parts), 'binary'), 'binary');
}

/** Writes the SHA-256 of a message into `target` at `at`. A buffer for each hash of a tile took a third of the time (measured). */
export function writeSha256(target: Buffer, at: number, message: Uint8Array): void {
  target.write(hash('sha256', message, 'binary'), at, 'binary');
}

/** SHA-256 of the joined parts, in 64 lower-case hexadecimal digits. */
export function sha256Hex(...parts: readonly Part[]): string {
  return hash('sha256', joined(parts), 'hex');
}

/** HMAC-SHA256 (RFC 2104), 32 bytes. The key is a SecretKey because a Buffer costs seven times as much (measured). */
export function hmac(key: SecretKey, ...parts: readonly Part[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** HMAC-SHA256 as a text of 32 characters, one for each byte: a buffer costs half as much again (measured: 3.2 against 2.2 microseconds). */
export function hmacText(key: SecretKey, message: Uint8Array): string {
  return createHmac('sha256', key).update(message).digest('binary');
}

/** Compares in a time that depends on the lengths only. */
export function constantTimeEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** SHA-256 of bytes that arrive in pieces. */
export interface RunningDigest {
  update(piece: Uint8Array): void;
  /** 64 lower-case hexadecimal digits. Ends the computation. */
  hex(): string;
}

export function runningSha256(): RunningDigest {
  const running = createHash('sha256');
  return { update: (piece) => void running.update(piece), hex: () => running.digest('hex') };
}
