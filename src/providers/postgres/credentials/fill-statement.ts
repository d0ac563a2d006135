import { BrokerError } from '../../../domain/errors.ts';
import { quoteIdentifier, quoteLiteral } from '../client/quote.ts';
import { tokensOf, type Placeholder } from './statement-tokens.ts';

/** A template with its placeholders filled, each quoted as its kind. @throws ERR_INTERNAL for one that the rules would refuse. */
export function fillStatement(
  template: string,
  values: Readonly<Partial<Record<Placeholder, string>>>,
): string {
  let filled = '';
  let at = 0;
  for (const token of tokensOf(template) ?? unfit()) {
    if (token.kind !== 'placeholder') continue;
    const value = values[token.text] ?? unfit();
    const quoted = token.text === 'name' ? quoteIdentifier(value) : quoteLiteral(value);
    filled += template.slice(at, token.start) + quoted;
    at = token.end;
  }
  return filled + template.slice(at);
}

function unfit(): never {
  throw new BrokerError('ERR_INTERNAL');
}
