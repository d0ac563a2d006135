import { randomId } from '../crypto/random.ts';

const RANDOM_CHARACTERS = 10;

/** Names one boot: `w`, its time as nine base-36 digits so that later boots sort after earlier ones, and 50 random bits. */
export function newWriterId(now: number): string {
  const time = Math.floor(now).toString(36).padStart(9, '0');
  return `w${time}-${randomId('w').slice(2, 2 + RANDOM_CHARACTERS)}`;
}
