import * as z from 'zod';
import { MOST_CHARACTERS, passwordProblems } from '../../crypto/random/generated-value.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { RotationTarget } from '../../ports/rotation-target.ts';

/** The name of one key in a secret's data, as the API accepts it. */
export const secretKey = z
  .string()
  .regex(/^[^\p{Cc}]{1,256}$/u, '1 to 256 characters, none of them control characters')
  .refine((key) => key !== '__proto__', 'is not a key');

/** The option `keys`: which keys of the secret's data hold the name and the password of a login; all others are copied. */
export const loginKeys = z
  .strictObject({
    username: secretKey.default('username'),
    password: secretKey.default('password'),
  })
  .refine(({ username, password }) => username !== password, 'names one key twice')
  .prefault({});

export type LoginKeys = z.output<typeof loginKeys>;

/** The option `password` of every rotator that generates one. A password of less than 112 bits is refused when the definition is saved. */
export const passwordOptions = z
  .strictObject({
    length: z.int().min(1).max(MOST_CHARACTERS).optional(),
    alphabet: z.string().max(MOST_CHARACTERS).optional(),
    exclude: z.string().max(MOST_CHARACTERS).optional(),
    require: z
      .array(z.enum(['upper', 'lower', 'digit', 'symbol']))
      .max(4)
      .optional(),
  })
  .superRefine((spec, context) => {
    for (const { pointer, message } of passwordProblems(spec)) {
      context.addIssue({ code: 'custom', path: [pointer.slice(1)], message });
    }
  });

export type PasswordOptions = z.output<typeof passwordOptions>;

/** The option `keys`: which keys of the secret's data hold an access key of AWS; all others are copied. */
export const accessKeyNames = z
  .strictObject({
    accessKeyId: secretKey.default('accessKeyId'),
    secretAccessKey: secretKey.default('secretAccessKey'),
  })
  .refine((keys) => keys.accessKeyId !== keys.secretAccessKey, 'names one key twice')
  .prefault({});

/** Creates the target of a strategy from a definition's options. */
type Attach = (options: unknown) => RotationTarget;

/** @throws ERR_BODY_INVALID at `/strategy` for a strategy that is not among these; as the strategy for its options. */
export function attachTarget(
  strategies: Readonly<Record<string, Attach>>,
  strategy: string,
  options: unknown,
): RotationTarget {
  const attach = Object.hasOwn(strategies, strategy) ? strategies[strategy] : undefined;
  if (attach === undefined) throw unknownStrategy(Object.keys(strategies));
  return attach(options);
}

/** The error for a strategy that a connection does not have; `known` are those it has. */
export function unknownStrategy(known: readonly string[]): BrokerError {
  const message = `is one of: ${known.join(', ')}`;
  return new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: '/strategy', message }],
  });
}

/** A connection does not rotate its own user: its password file would be out of date, and the broker could no longer log in to undo it. */
export function refuseOwnUser(own: string, username: string, pointer: string): void {
  if (username !== own) return;
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer, message: 'is the user of the connection itself' }],
  });
}
