import { AgentFailure, EXIT } from './failures.ts';
import { readText } from './read-text.ts';

/** A service-account token is some 1,500 bytes. */
const MOST_BYTES = 16_384;

/** The projected token is not there, or is none. */
export class UnreadableToken extends AgentFailure {
  constructor(file: string, why: string) {
    super(EXIT.config, `tokenFile ${file}: ${why}`);
  }
}

/** The token as it is now: read each time, because the kubelet replaces it. @throws UnreadableToken */
export async function readToken(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readText(file)).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UnreadableToken(
      file,
      `cannot be read (${code}); is the token projected into this container?`,
    );
  }
  if (text === '' || text.length > MOST_BYTES || !/^[!-~]+$/.test(text)) {
    throw new UnreadableToken(file, 'has no token in it');
  }
  return text;
}
