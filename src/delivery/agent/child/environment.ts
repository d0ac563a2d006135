import type { ExecSettings } from '../../settings/settings.ts';
import { DeliveryError } from '../../failures.ts';
import type { DeliveredSecret } from '../../files/delivered-secret.ts';

/** Limit of `NAME=value` with its NUL: with a longer string the kernel does not start the program (execve(2), MAX_ARG_STRLEN). */
const MOST_BYTES = 131_072;

/**
 * Builds the environment of the child process only: the agent's, and the configured values. The variable of a secret without a
 * value is left out.
 * @throws DeliveryError for a key that the secret does not have, and for a value that no variable can hold
 */
export function childEnvironment(
  wanted: ExecSettings['environment'],
  values: ReadonlyMap<string, Pick<DeliveredSecret, 'data'>>,
  inherited: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const environment: Record<string, string | undefined> = { ...inherited };
  for (const [variable, { secret, key }] of Object.entries(wanted)) {
    const held = values.get(secret);
    environment[variable] = undefined;
    if (held === undefined) continue;
    const data = held.data.reveal();
    const value = Object.hasOwn(data, key) ? data[key] : undefined;
    const named = `the variable ${variable} of the child`;
    if (value === undefined) throw new DeliveryError(`${named}: ${secret} has no key "${key}"`);
    if (typeof value !== 'string' || value.includes('\0')) {
      throw new DeliveryError(
        `${named}: the key "${key}" of ${secret} is bytes, not text; use a file`,
      );
    }
    if (Buffer.byteLength(variable) + Buffer.byteLength(value) + 2 > MOST_BYTES) {
      throw new DeliveryError(
        `${named}: the key "${key}" of ${secret} is too long for a variable; use a file`,
      );
    }
    environment[variable] = value;
  }
  return environment;
}
