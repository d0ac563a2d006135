import { until } from './backends/until.ts';

/** Asks again and again until there is an answer, and returns it. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  let answer: T | undefined;
  await until(what, async () => {
    answer = await ask();
    return answer !== undefined;
  });
  return answer as T;
}
