import { setImmediate } from 'node:timers/promises';
import { TemplateEngine } from '../files/template-engine.ts';
import { parseTemplate } from '../files/template-renderer.ts';
import { DOMAIN, Problems, type Problem } from './annotations.ts';
import type { InjectionRequest } from './injection-request.ts';

/**
 * A longer template is left to the agent, which refuses it at its start. One of this length takes 6 ms at most (measured), and reviews are answered on the
 * event loop of the API.
 */
const LONGEST_CHECKED = 8 * 1024;

const engine = new TemplateEngine();

/**
 * Finds templates that do not parse, or use secrets that the pod does not name. Keys of a secret are not checked: the webhook
 * serves callers that it does not know, and an answer that depends on keys would reveal the content of a secret. Each template is
 * parsed in its own turn of the event loop.
 */
export async function templateProblems({
  secrets,
  templates,
}: Pick<InjectionRequest, 'secrets' | 'templates'>): Promise<readonly Problem[]> {
  const problems = new Problems();
  const names = new Set(secrets.map(({ name }) => name));
  for (const { name, text } of templates) {
    if (text.length > LONGEST_CHECKED) continue;
    await setImmediate();
    try {
      parseTemplate(engine, { name, text }, names);
    } catch (error) {
      problems.add(`${DOMAIN}template-${name}`, (error as Error).message);
    }
  }
  return problems.found;
}
