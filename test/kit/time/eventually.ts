import { until } from '../backends/until.ts';

/** Repeats `ask` until it returns a value. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  let answer: T | undefined;
  await until(what, async () => {
    answer = await ask();
    return answer !== undefined;
  });
  return answer as T;
}
