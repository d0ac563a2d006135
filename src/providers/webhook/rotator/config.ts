import * as z from 'zod';
import { passwordOptions, secretKey } from '../../rotator/options.ts';

const MOST_CONSTANTS = 32;
const MOST_TEXT = 1024;
const MOST_MADE = 32;
const target = z
  .string()
  .max(MOST_TEXT)
  .refine(
    (text) => text.split('/').every(isSegment),
    'is a place such as accounts/app: segments joined by /, each percent-encoded',
  );

/** A place has one spelling: what RFC 3986 does not reserve as it is, the rest encoded. */
function isSegment(text: string): boolean {
  if (text === '' || text === '.' || text === '..') return false;
  try {
    const name = decodeURIComponent(text);
    return !/\p{Cc}/u.test(name) && encodeSegment(name) === text;
  } catch {
    return false;
  }
}

function encodeSegment(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Strategy `webhook`. What a value is made of: a text that we generate (`password`), or keys that the receiver makes (`makes`). */
export const webhookOptions = z
  .strictObject({
    /** What is changed there; compared with the connection's `locators`, and all that the receiver may go by. */
    target,
    slots: z.enum(['one', 'two']),
    drillable: z.boolean().default(false),
    password: passwordOptions.optional(),
    keys: z.strictObject({ password: secretKey.default('password') }).prefault({}),
    makes: z.array(secretKey).min(1).max(MOST_MADE).optional(),
    /** Constants for the receiver. */
    data: z
      .record(secretKey, z.union([z.string().max(MOST_TEXT), z.number(), z.boolean()]))
      .refine((data) => Object.keys(data).length <= MOST_CONSTANTS, `at most ${MOST_CONSTANTS}`)
      .default({}),
  })
  .refine(({ password, makes }) => password === undefined || makes === undefined, {
    path: ['makes'],
    message: 'is what the receiver makes; password is what the broker generates: one of the two',
  })
  .refine(({ drillable, slots }) => !drillable || slots === 'two', {
    path: ['drillable'],
    message: 'needs two slots: with one, a drill ends the value that is in use',
  });

export type WebhookOptions = z.output<typeof webhookOptions>;
