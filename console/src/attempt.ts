import { useState } from 'preact/hooks';
import { Refusal } from './client.ts';

/** A step that a person begins, and its end. */
interface Attempt {
  readonly error: Refusal | undefined;
  readonly isRunning: boolean;
  readonly attempt: (step: () => Promise<unknown>) => Promise<void>;
}

/** Runs steps that may be refused, and keeps the refusal of the last one. */
export function useAttempt(
  refusalOf = (thrown: unknown): Refusal => Refusal.from(thrown, String(thrown)),
): Attempt {
  const [error, setError] = useState<Refusal>();
  const [isRunning, setRunning] = useState(false);
  const attempt = async (step: () => Promise<unknown>): Promise<void> => {
    setRunning(true);
    setError(undefined);
    try {
      await step();
    } catch (thrown) {
      setError(refusalOf(thrown));
    }
    setRunning(false);
  };
  return { error, isRunning, attempt };
}
