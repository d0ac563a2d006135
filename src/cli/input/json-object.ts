import { parseMembers } from '../../domain/text/json-members.ts';

/**
 * Parses a text from outside to members whose numbers keep their digits. Undefined if it is not a JSON object, or is nested too
 * deep to be sent on.
 */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return parseMembers(text);
  } catch {
    return undefined;
  }
}
