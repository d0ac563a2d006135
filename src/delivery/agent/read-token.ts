import { AgentFailure, EXIT, codeOf } from '../failures.ts';
import { readSmallFile } from '../files/read-file.ts';

/** Limit of a token; a service-account token has about 1,500 bytes. */
const MOST_BYTES = 16_384;

/** The projected token does not exist, or the file has no token in it. */
export class UnreadableToken extends AgentFailure {
  constructor(file: string, why: string) {
    super(EXIT.config, `tokenFile ${file}: ${why}`);
  }
}

/** The current token: read each time, because the kubelet replaces it. @throws UnreadableToken */
export function readToken(file: string): string {
  let text: string;
  try {
    text = readSmallFile(file, MOST_BYTES).text.trim();
  } catch (error) {
    throw new UnreadableToken(
      file,
      `cannot be read (${codeOf(error)}); is the token projected into this container?`,
    );
  }
  if (!/^[!-~]+$/.test(text)) {
    throw new UnreadableToken(file, 'has no token in it');
  }
  return text;
}
