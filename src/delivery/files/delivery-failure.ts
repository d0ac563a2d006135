import { DeliveryError } from '../failures.ts';
import { codeOf } from './code-of.ts';

const NOT_ALLOWED = "the agent's user may not: nobody else is to own or change what lies there";
/** What an operator can do about it. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the volume is full: give it more room (sizeLimit)'],
  ['EDQUOT', 'the volume is full: give it more room (sizeLimit)'],
  ['EROFS', "the volume is read-only: mount it writable in the agent's container"],
  ['EACCES', NOT_ALLOWED],
  ['EPERM', NOT_ALLOWED],
]);

/** What the system refused, in words of ours: its own message could quote what was being written. */
export function deliveryFailure(what: string, error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const code = codeOf(error);
  const remedy = REMEDIES.get(code);
  return new DeliveryError(`${what}: ${code}${remedy === undefined ? '' : `: ${remedy}`}`);
}
