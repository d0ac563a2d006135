import { BrokerError } from '../../domain/errors.ts';
import { decodeBody, parseJson, placed } from '../../domain/text/parse-body.ts';

/**
 * Reads a body in a thread, as strictly as the API reads the others, and with the places of its problems.
 * @throws the errors of `parseJson` and of `read`
 */
export async function readPushed<T>(
  bytes: Uint8Array,
  read: (value: unknown) => T | Promise<T>,
): Promise<T> {
  const body = parseJson(decodeBody(bytes));
  try {
    return await read(body.value);
  } catch (error) {
    throw placed(BrokerError.from(error), body);
  }
}
