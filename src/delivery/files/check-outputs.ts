import { placeProblems, type Outputs } from './outputs.ts';
import { TemplateRenderer } from './template-renderer.ts';

/** What is wrong with the outputs that shows without a directory and without files: sources of templates are looked at where they are used. */
export async function outputProblems(outputs: Outputs): Promise<readonly string[]> {
  const problems = [...placeProblems(outputs)];
  const templates = outputs.templates.map(({ text = '', ...template }) => ({
    ...template,
    text,
    source: undefined,
  }));
  await TemplateRenderer.prepare({ ...outputs, templates }, problems);
  return problems;
}
